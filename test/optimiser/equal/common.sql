-- Equal subqueries, and aggregates over the same rows: one run, the same answers.
create table t (a int primary key, b int, c numeric(10,2), d text, e float8);
create table s (a int, b int);
insert into t select i, nullif(i % 7, 3), i * 1.5, 'x' || i, i / 3.0 from generate_series(1, 1000) i;
insert into s values (1, 1), (2, null), (null, 3), (990, 4);
select (select sum(a) from t), (select count(*) from t), (select min(b) from t), (select sum(a) from t);
select (select sum(a) + 1 from t where b = 1), coalesce((select max(c) - min(c) from t where b = 1), 1),
  (select 1 / count(*) from t where b = 1), (select count(b) filter (where c > 100) from t where b = 1);
select (select count(*) from t where a < 0), (select max(a) from t where a < 0), (select sum(c) from t where a < 0);
-- what nobody asks does not fail
select case when a > 5000 then (select sum(10 / (a - 500)) from t) else (select max(a) from t) end from s;
select a from s where a > 1 and (b is not null or a > (select sum(1 / (a - a)) from t)) and b < (select count(*) from t);
select coalesce((select max(a) from t), (select sum(1 / (b - b)) from t));
select (select sum(a) from t), (select sum(1 / (b - 1)) from t);
-- constants that are equal but not the same
select (select 1.0), (select 1.00), (select max(c * 1.0) from t), (select max(c * 1.00) from t);
select (select '1 mon'::interval), (select '30 days'::interval), (select 0.0::float8), (select '-0'::float8);
select (select max(a) from t where d like 'x1%'), (select min(a) from t where d like 'x2%'), (select min(a) from t where d like 'x1%');
-- distinct, order, filter
select (select count(distinct b) from t), (select count(b) from t), (select string_agg(d, ',' order by a) from t where a < 5),
  (select string_agg(d, ',' order by a desc) from t where a < 5);
-- the comparisons of IN
select a, a in (select b from t), b in (select b from t), a = any (select b::bigint from t), b <> all (select b from t where b is not null) from s order by a;
select a, a in (select b from t where b is not null), (select count(*) from t where b is not null) from s where exists (select 1 from t) and exists (select 1 from t) order by 1;
-- nested, and read through views, CTEs and set operations
create view w as select b, sum(a) as total from t group by b having sum(a) > (select avg(a) from t);
select * from w where total > (select avg(a) from t) and total < (select sum(a) from t) order by 1;
with x as (select max(a) as m from t) select (select m from x), (select m from x), (select max(a) from t), (select min(a) from t);
select (select max(a) from t) union all select (select max(a) from t) union all select (select min(a) from t);
select (select max(x.a) from t x where x.a < (select avg(a) from t)), (select min(x.a) from t x where x.a < (select avg(a) from t)), (select avg(a) from t);
select y.b, (select max(x.a) from t x where x.b = y.b), (select min(x.a) from t x where x.b = y.b) from s y order by 1;
select (select array(select a from t where a < 4 order by a)), array(select a from t where a < 4 order by a);
-- grouped subqueries in FROM
select x.b, y.b, x.n, y.m from (select b, count(*) as n, max(a) as m from t group by b) x
  join (select b, count(*) as n, max(a) as m from t group by b) y on x.b = y.b or x.n = y.n order by 1, 2, 3, 4;
select x.b, y.b from (select distinct b from t where a > 10) x full join (select distinct b from t where a > 10) y on x.b = y.b + 1 order by 1, 2;
select s.a, x.n, y.m from s left join (select b, count(*) as n, max(a) as m from t group by b) x on x.b = s.b
  left join (select b, count(*) as n, max(a) as m from t group by b) y on y.b = s.a order by 1, 2, 3;
select (select max(n) from (select b, count(*) as n from t group by b) x), (select min(n) from (select b, count(*) as n from t group by b) x),
  (select sum(y.n) from (select b, count(*) as n from t group by b) x, (select b, count(*) as n from t group by b) y);
select x.b from (select b, count(*) as n from t group by b having count(*) > (select count(*) / 8 from t)) x,
  (select b, count(*) as n from t group by b having count(*) > (select count(*) / 8 from t)) y where x.n < y.n or x.b = y.b order by 1;
select * from (select b, count(*) as n from t group by b) x union all select * from (select b, count(*) as n from t group by b) y order by 1, 2;
select x.b, y.b from (select distinct b from t order by b nulls first limit 3) x, (select distinct b from t order by b nulls first limit 3) y order by 1, 2;
-- changes
update s set a = (select max(a) from t), b = (select min(a) from t) where b < (select max(b) from t) returning *, (select max(a) from t);
insert into s select (select max(a) from s), (select count(*) from s), 0 from t where false;
insert into s select (select max(a) from s), (select count(*) from s) from t where a < 4 returning (select count(*) from s);
delete from s where a = (select max(a) from s) and b < (select count(*) from s) returning b, (select count(*) from s);
select * from s order by 1, 2;
prepare p (int) as select (select max(a) from t where b = $1), (select min(a) from t where b = $1), (select max(a) from t where b = $1);
execute p (2); execute p (3); execute p (null);
drop view w;
drop table t, s;
