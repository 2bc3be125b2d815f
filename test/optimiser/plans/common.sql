-- Subqueries that have one answer are planned once.
create table common_a (a int primary key, b int, c numeric(10,2), d text);
insert into common_a select i, i % 7, i * 1.5, 'x' || i from generate_series(1, 1000) i;
create table common_b (a int, b int);
analyze;

-- equal ones are one subplan
explain (costs off) select (select sum(a) from common_a), (select sum(a) from common_a);
explain (costs off) select b, (select max(a) from common_a) from common_b
  where a > (select max(a) from common_a) order by (select max(a) from common_a);
explain (costs off) select * from common_b
  where a in (select b from common_a) or b in (select b from common_a) or b = all (select b from common_a);
explain (costs off) update common_b set a = (select max(b) from common_a), b = (select max(b) from common_a)
  where b > (select max(b) from common_a);
-- aggregates over the same rows are computed side by side
explain (costs off) select (select sum(a) from common_a), (select count(*) from common_a), (select min(b) from common_a);
explain (costs off) select (select sum(c * (1 - c)) from common_a where b = 1),
  coalesce((select max(d) from common_a where b = 1), 'none'), (select count(*) from common_a where b = 2);
explain (costs off) select a from common_b
  where a > (select min(x.a) from common_a x, common_b y where x.b = y.b)
    and b < (select max(y.b) from common_a z, common_b y where z.b = y.b);
-- grouped subqueries in FROM that are equal, unless a condition goes into one of them
explain (costs off) select x.b, x.n, y.n from (select b, count(*) as n, max(a) as m from common_a group by b) x
  join (select b, count(*) as n, max(a) as m from common_a group by b) y on x.n = y.m;
explain (costs off) select x.b, x.n, y.n from (select b, count(*) as n from common_a group by b) x
  join (select b, count(*) as n from common_a group by b) y on x.n = y.n where x.b = 5;
explain (costs off) select x.b, y.b from (select distinct b from common_a where a > 10) x, (select distinct b from common_a where a > 10) y;
explain (costs off) select x.b, y.b from (select distinct b from common_a where a > 10) x, (select distinct b from common_a where a > 11) y;
-- not what may differ from one time to the next
explain (costs off) select (select random()), (select random());
explain (costs off) select (select max(a) from common_a where b > random()), (select max(b) from common_a where b > random());
-- not what may fail for somebody who was not asked
explain (costs off) select (select sum(a / b) from common_a), (select max(a) from common_a);
-- not what depends on the row outside
explain (costs off) select (select max(a) from common_a x where x.b > y.b), (select max(a) from common_a x where x.b > y.b) from common_b y;
drop table common_a, common_b;
