-- Order from an index: groups one after the other, few rows of many, joins that keep the order.
create table o (a int, b int, c text, d numeric(8,2), primary key (a, b));
insert into o select g / 10, g % 10, case when g % 7 = 0 then null else 'c' || g % 13 end, g % 101
  from generate_series(0, 29999) g;
create table n (id int primary key, k int, l int, t text);
insert into n select g, case when g % 5 = 0 then null else g / 8 end, g % 3, repeat('t', g % 40)
  from generate_series(1, 20000) g;
create index n_k on n (k, l desc);
create index n_l on n (l, k nulls first);
analyze;
select a, count(*), sum(b), min(c), max(d), avg(d) from o group by a order by a limit 7;
select a, count(*), sum(b), min(c), max(d), avg(d) from o group by a order by a desc limit 7;
select a, count(c) from o group by a order by a limit 5 offset 1000;
select a, count(*) from o group by a order by a limit 5 offset 2998;
select a, count(*) from o group by a order by a limit 0;
select a, b, count(*) from o group by a, b order by a, b limit 12;
select b, a, count(*) from o group by b, a order by a limit 1;
select a, string_agg(c, ',' order by b desc), count(distinct c), array_agg(b order by b) from o
  group by a order by a limit 4;
select a, count(*) from o where b > 3 group by a order by a limit 5;
select a, count(*) from o where c = 'c3' group by a order by a limit 5;
select a, count(*) from o where c = 'none' group by a order by a limit 5;
select a, count(*) from o group by a having count(c) < 9 order by a limit 5;
select a, count(*) from o group by a having count(c) < 0 order by a limit 5;
select a, sum(d) from o where a >= 100 and a < 200 group by a order by a limit 3;
select a, sum(d) from o where a = 77 group by a, b order by b limit 3;
select a + 1, count(*) from o group by a order by a limit 3;
select distinct a from o order by a limit 4;
select distinct a from o order by a desc limit 4 offset 2;
select distinct b, a from o order by a, b limit 4;
select k, count(*), sum(id) from n group by k order by k limit 6;
select k, count(*), sum(id) from n group by k order by k desc limit 6;
select k, count(*), sum(id) from n group by k order by k nulls first limit 6;
select k, count(*), sum(id) from n group by k order by k desc nulls last limit 6;
select k, l, count(*) from n group by k, l order by k, l desc limit 9;
select k, l, count(*) from n group by k, l order by k desc, l limit 9;
select k, l, count(*) from n group by k, l order by k, l limit 9;
select l, k, count(*) from n group by l, k order by l, k nulls first limit 9;
select l, k, count(*) from n group by l, k order by l desc, k desc nulls last limit 9;
select l, count(*), max(length(t)) from n group by l order by l limit 9;
select id, t, count(*) from n group by id order by id limit 3;
select id, count(*) from n group by id, t order by id desc limit 3;
select count(*) from (select a, count(*) from o group by a order by a limit 100) s;
select sum(x) from (select a, sum(b) as x from o group by a order by a limit 2000) s;
select * from (select a, sum(b) as x from o group by a order by a limit 3) s join n on n.id = s.a + 1
  order by a;
select id, (select count(*) from o where o.a = n.id) from n order by id limit 4;
select id, (select sum(s.x) from (select a, sum(b) as x from o where o.a <= n.id group by a
  order by a desc limit 2) s) from n order by id limit 4;
select n.id, o.b from n join o on o.a = n.id where n.id < 4 order by n.id, o.b limit 15;
select n.id, o.b from n left join o on o.a = n.id and o.b = 3 where n.id between 2990 and 3010
  order by n.id desc limit 15;
select o.a, o.b, n.id, n.k from o join n on n.id = o.a order by o.a, o.b limit 8;
select o.a, o.b, n.id, n.k from o join n on n.id = o.a order by o.a desc, o.b desc limit 8 offset 3;
select o.a, o.b, n.id, n.k from o join n on n.id = o.a order by n.id, o.b limit 8;
select o.a, o.b, n.id, n.k from o, n where n.id = o.a and n.k is null order by o.a, o.b limit 8;
select o.a, o.b, n.id, n.t from o left join n on n.id = o.a and n.l = 1 order by o.a, o.b limit 25;
select o.a, o.b, n.id, n.t from o left join n on n.id = o.a where n.id is null order by o.a, o.b limit 3;
select n.id, o.a, o.b from o right join n on n.id = o.a order by n.id desc, o.b limit 5;
select n.id, n.k from n where exists (select from o where o.a = n.k) order by id limit 6;
select n.id, n.k from n where not exists (select from o where o.a = n.k) order by id limit 6;
select n.id, n.k from n where k in (select b from o where d > 5) order by id desc limit 6;
select x.a, x.b, y.b, n.l from o x join o y on x.a = y.a join n on n.id = x.a
  order by x.a, x.b, y.b limit 30;
select x.a, x.b, n.l from o x join n on n.id = x.a join o y on y.a = n.k and y.b = x.b
  order by x.a, x.b limit 30;
select o.a, o.b, n.id from o join n on n.id = o.a and n.t = 'none' order by o.a, o.b limit 8;
select o.a, o.b, n.id from o join n on n.id = o.a where o.d = 3 order by o.a, o.b limit 8;
select o.a, o.b, n.id from o join n on n.id > o.a and n.id < o.a + 3 order by o.a, o.b, n.id limit 8;
select o.a, n.id from o cross join n where n.id < 3 order by o.a, o.b, n.id limit 8;
select o.a + 0, n.id from o join n on n.id = o.a order by o.a, o.b limit 4;
select o.a, lateral_n.id from o, lateral (select id from n where n.id = o.a + 1) lateral_n
  order by o.a, o.b limit 4;
prepare j(bigint) as select o.a, o.b, n.k from o join n on n.id = o.a order by o.a, o.b limit $1;
execute j(3);
select * from o where d = 1 order by a, b limit 3;
select * from o where d = -1 order by a, b limit 3;
select a, b from o order by a, b limit 3 offset 25000;
select a, b from o order by a desc, b desc limit 3 offset 25000;
prepare p(bigint, bigint) as select a, count(*) from o group by a order by a limit $1 offset $2;
execute p(2, 0);
execute p(2, 2999);
execute p(0, 0);
execute p(null, 2997);
begin;
update o set d = d + 1000, c = null where a % 3 = 0;
delete from o where a % 4 = 1;
insert into o values (1, 1, 'new', 5), (-1, 0, 'first', 6);
select a, count(*), count(c), max(d) from o group by a order by a limit 7;
select a, count(*), count(c), max(d) from o group by a order by a desc limit 7;
rollback;
select a, count(*), count(c), max(d) from o group by a order by a limit 3;
drop table o, n;
