-- When inputs in the order of their keys are merged, and when they are not.
create table o (id int primary key, d date, c int) with (freeze = off);
insert into o select g, date '2020-01-01' + g % 300, g / 3 from generate_series(1, 20000) g;
create table l (o bigint, n int, q int, primary key (o, n)) with (freeze = off);
insert into l select g / 4, g % 4, g % 50 from generate_series(0, 59999) g;
create index o_c on o (c desc);
analyze;
\pset tuples_only on
explain (costs off) select * from o join (select o, sum(q) from l group by o) s on s.o = o.id order by o.id limit 10;
explain (costs off) select * from o join (select o, sum(q) from l group by o) s on s.o = o.id order by s.o desc limit 10;
explain (costs off) select * from o left join (select o, sum(q) from l group by o) s on s.o = o.id order by o.id limit 10;
explain (costs off) select * from o left join (select o, sum(q) from l group by o) s on s.o = o.id order by s.o limit 10;
explain (costs off) select * from o join (select o, sum(q) from l group by o) s on s.o = o.id order by o.id;
explain (costs off) select * from o join (select o, sum(q) from l group by o) s on s.o = o.id;
explain (costs off) select o.id, count(*) from o join l on l.o = o.id group by o.id order by o.id limit 10;
explain (costs off) select o.id, count(*) from o join l on l.o = o.id group by o.id order by o.id;
explain (costs off) select * from (select c, count(*) from o group by c) a join (select o, sum(q) from l group by o) b on b.o = a.c
  order by a.c limit 5;
explain (costs off) select * from (select c, count(*) from o group by c) a where exists
  (select from (select o, sum(q) as q from l group by o) b where b.o = a.c and b.q > a.count) order by a.c limit 5;
explain (costs off) select * from (select o, sum(q) from l group by o) s join (select o, max(n) from l group by o) r on r.o = s.o
  join o on o.id = r.o order by s.o limit 4;
explain (costs off) select * from l x join l y on x.o = y.o and x.n = y.n order by x.o, x.n limit 5;
explain (costs off) select * from (select * from l order by q limit 900) x join (select * from o order by c limit 800) y on x.q = y.c;
explain (costs off) select * from (select * from l order by q limit 900) x full join (select * from o order by c limit 800) y on x.q = y.c;
explain (costs off) select * from (select * from l order by q limit 900) x join (select * from o order by c desc limit 800) y on x.q = y.c;
explain (costs off) select x.q, count(*) from (select * from l order by q limit 900) x join (select * from o order by c limit 800) y
  on x.q = y.c group by x.q order by x.q;
explain (costs off) with x as materialized (select c, count(*) from o group by c order by c) select * from x a join x b on a.c = b.c;
explain (costs off) select q, count(*) from (select q from l order by q limit 500) x group by q;
drop table o, l;
