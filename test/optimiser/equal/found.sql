-- What random queries (test/queries) found to differ.
create table t (id int primary key, a int[], b int, n numeric, s text, f float8, d date);
insert into t select g, array[g, null, 3], g % 5, g / 8.0, 'word ' || g % 7, g * 0.5, date '2020-01-01' + g from generate_series(1, 60) g;
-- digits of stddev
select stddev(id), stddev_pop(id), stddev(b) from t;
select b, stddev(id * 10), stddev_pop(id * 1000) from t group by b order by b;
select stddev(x) from (values (0.0001), (0.0002), (0.0004)) v(x);
select chr(-1);
select chr(0);
select initcap('été'), initcap('it''s a_b x1y');
-- views whose text needs parentheses
create view v as select (array[id, 2, null])[2] as x, (a || b)[1] as y, a[1] as z, (array[id])[1] + 1 as w from t;
select count(x), sum(y), sum(z), sum(w) from v;
drop view v;
create view v as select true >= (b is null) as x, (b = 1) is true as y, (b in (1, 2))::text as z, ((b = 1) = (b = 2)) is not null as w, (not b = 1) = (b < 2) as u, (case when b = 1 then a end)[1] as s from t where false >= (n is null) and (b between 1 and 3) = true;
select * from v order by 1, 2, 3, 4, 5, 6;
drop view v;
create view v as select ((timestamptz '2021-08-28 06:42:23+00' + interval '4 hours') at time zone 'UTC') as x, (b = 1) = any(select y.b is null from t y) as y, (d + 1)::text collate "C" as z, -(-b) as w, -(b + 1) as u, (b + 1) * 2 - (3 - b) as s, 'a' || (b = 1) as r, substring(s from (b + 1) for 2) as q, extract(year from d + 1) as p, (b, 1) = (1, b) as o from t;
select * from v order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
drop view v;
-- what keeps rows keeps a few, however little memory there is
set work_mem = '64kB';
select b, s from t intersect select 1, 'word 1';
select count(*) from (select id, n from t except all select b, n from t) x;
select count(*) from t x, t y where x.b < y.b and x.s <> y.s;
select count(*) from t x where n <> any (select f from t y where y.n between 1 and 7);
select count(*) > 0 from pg_settings where name like '%mem%';
reset work_mem;
drop table t;
-- a literal beside a limited type has no limit
select 'a'::varchar(3) as x union all select 'abcd' order by 1;
select 'a'::char(3) as x union all select 'abcd' order by 1;
select x, length(x) from (values ('a'::varchar(2)), ('abcde'), (null)) v(x) order by 1;
create table c as select 'abc'::varchar(3) as x union all select 'abcdef';
select x, length(x) from c order by 1;
insert into c values ('longer than any of them');
drop table c;
select 'a' || true, false || 'a', concat(true, 'a'), 'a' || 1.50 || date '2020-01-01';
-- conditions that are true of a row without a partner, for a test below them is false and not NULL
create table f1 (id int, c int);
create table f2 (id int, c int);
insert into f1 values (1, 1), (2, 2), (null, 3), (4, null);
insert into f2 values (1, 1), (3, 5), (null, 6), (7, null);
select * from f1 full join f2 on f1.c = f2.c where (f2.id is not null) = any(array[false, false]) order by 1, 2, 3, 4;
select * from f1 full join f2 on f1.c = f2.c where (f2.id is not null) = false order by 1, 2, 3, 4;
select * from f1 left join f2 on f1.c = f2.c where (f2.id is not null) is not null order by 1, 2, 3, 4;
select * from f1 left join f2 on f1.c = f2.c where (f2.id > 0 and f1.id > 5) = false order by 1, 2, 3, 4;
select * from f1 left join f2 on f1.c = f2.c where (f2.id > 0 or f1.id > 1) = true order by 1, 2, 3, 4;
select * from f1 left join f2 on f1.c = f2.c where (f2.id > 0) = true or (f2.c is not null) is true order by 1, 2, 3, 4;
select * from f1 left join f2 on f1.c = f2.c where (f2.id is not null) in (false) and (f2.id in (1, 2)) is not true order by 1, 2, 3, 4;
drop table f1, f2;
