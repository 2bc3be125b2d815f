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
-- what keeps rows keeps a few, however little memory there is
set work_mem = '64kB';
select b, s from t intersect select 1, 'word 1';
select count(*) from (select id, n from t except all select b, n from t) x;
select count(*) from t x, t y where x.b < y.b and x.s <> y.s;
select count(*) from t x where n <> any (select f from t y where y.n between 1 and 7);
select count(*) > 0 from pg_settings where name like '%mem%';
reset work_mem;
drop table t;
