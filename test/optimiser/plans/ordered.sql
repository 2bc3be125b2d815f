-- When an index gives the order, and when sorting does.
create table o (a int, b int, c text, d numeric(8,2), primary key (a, b));
insert into o select g / 10, g % 10, 'c' || g % 13, g % 101 from generate_series(0, 29999) g;
create table n (id int primary key, k int, l int);
insert into n select g, g / 8, g % 3 from generate_series(1, 20000) g;
create index n_k on n (k, l desc);
analyze;
\pset tuples_only on
explain (costs off) select a, count(*) from o group by a order by a limit 7;
explain (costs off) select a, count(*) from o group by a order by a desc limit 7;
explain (costs off) select a, count(*) from o group by a order by a;
explain (costs off) select a, count(*) from o group by a order by a limit 7 offset 100000;
explain (costs off) select a, b, count(*) from o group by b, a order by a limit 7;
explain (costs off) select b, count(*) from o group by b order by b limit 7;
explain (costs off) select distinct a from o order by a limit 4;
explain (costs off) select a, sum(b) from o group by a having sum(b) > 3 order by a limit 4;
explain (costs off) select k, l, count(*) from n group by k, l order by k desc, l limit 4;
explain (costs off) select k, l, count(*) from n group by k, l order by k, l limit 4;
explain (costs off) select id, k, count(*) from n group by id order by id limit 4;
explain (costs off) select * from o order by a limit 10;
explain (costs off) select * from o where d = 101 order by a limit 10;
explain (costs off) select * from o where d = 7 order by a limit 10;
explain (costs off) select * from o order by a limit 10 offset 20000;
