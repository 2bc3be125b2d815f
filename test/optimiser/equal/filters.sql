-- Build sides filter scans: bitmaps and Bloom filters, keys of several widths, hot and cold rows,
-- through joins and group keys; semi- and anti-joins that build the smaller side.
create table big(id bigint primary key, k int, s smallint, d date, w bigint, t text, c char(10));
insert into big select g, g % 5000, g % 300 - 150, date '2001-01-01' + (g % 2000)::int, g * 7919, 'value ' || g % 17, 'c' || g % 5 from generate_series(1, 120000) g;
create table small(k int, s smallint, d date, w bigint, name text);
insert into small select g * 50, g - 10, date '2001-01-01' + g * 40, g * 79190, 'name ' || g from generate_series(1, 40) g;
insert into small values (null, null, null, null, 'nulls'), (-1, -32768, '1990-01-01', -5, 'outside'), (50, 1, '2001-02-10', 79190, 'twice');
insert into big values (200001, null, null, null, null, null, null), (200002, 100, 5, '2001-02-10', 158380, 'late', 'late');
analyze;
select count(*), sum(id) from big join small using (k);
select count(*), sum(id) from big join small using (s);
select count(*), sum(id) from big join small using (d);
select count(*), sum(id) from big join small using (w);
select count(*), sum(big.id) from big join small on big.k = small.w / 1000 and big.s = small.s;
select count(*), sum(id) from big join small on big.id = small.k;
select count(*), sum(id) from big join small on big.s = small.w;
update big set k = k + 1 where id % 1000 = 0;
delete from big where id % 999 = 0;
select count(*), sum(id) from big join small using (k);
-- through group keys, joins and projections
select count(*), sum(n) from small join (select k, count(*) n from big group by k) b using (k);
select count(*), sum(n) from small join (select k + 0 as k, count(*) n from big group by k + 0) b using (k);
select count(*), sum(a.id) from big a join big b on a.id = b.id join small on small.k = b.k;
select count(*), sum(a.id), count(b.id) from big a left join big b on a.id = b.k join small on small.k = a.k;
select count(*), sum(b.id) from (select big.* from big right join small x on x.k = big.k) b join small on small.k = b.k;
select count(*), sum(id), count(small.name) from small full join big on big.k = small.k;
-- semi- and anti-joins
select name from small where exists (select from big where big.k = small.k) order by name;
select name from small where not exists (select from big where big.k = small.k) order by name;
select name from small where exists (select from big where big.k = small.k and big.id > small.w) order by name;
select name from small where not exists (select from big where big.k = small.k and big.id > small.w) order by name;
select name from small where s in (select s from big) order by name;
select name from small where w in (select w from big where c = 'c1') order by name;
select count(*), sum(id) from big where exists (select from small where small.k = big.k);
select count(*), sum(id) from big where not exists (select from small where small.k = big.k);
select a.k, count(*) from small a where exists (select from big where big.s = a.s) and not exists (select from big where big.k = a.k and big.s > 140) group by a.k order by a.k;
-- rows without a partner come out once, however many cores probe
select g, count(*) from (select small.name, count(big.id) g from small left join big on big.k = small.k group by small.name) x group by g order by g;
select count(*), sum(n), max(n) from (select y.id, count(x.id) n from big y left join big x on x.k = y.id group by y.id) z;
select count(*), count(x.id), sum(y.id) from big x right join big y on x.w = y.id and x.id < 10;
-- once for each entry of a dictionary
select t, count(*) from big where t like '%1%' and t <> 'value 11' group by t order by t;
select count(*) from big where c in ('c1', 'c3') or c is null;
select count(*) from big where c not in ('c1', 'c3 ');
select substring(t from 7), upper(c), count(*) from big where length(t) > 7 group by 1, 2 order by 1, 2;
select count(*) from big where substring(t, 1, 2) in ('va', 'la');
select count(*) from big where substring(t, 1, 2) not in ('va');
select count(*) from big where t in ('value 3', 'late', 'a value that is rather long');
select sum(case when t = 'value 2' then 1 when c = 'c1' then 10 else 0 end) from big;
select count(*) from big where length(t) <> 7 and 10 / (length(t) - 7) > -20;
-- many groups, by the column that places rows and by others
select count(*), sum(n), sum(s) from (select id, count(*) n, sum(k) s from big group by id) x;
select count(*), sum(n), sum(s) from (select id, t, count(*) n, sum(k) s from big join small using (k) group by id, t) x;
select count(*), sum(n), max(s) from (select w, count(*) n, sum(w) s from big group by w having count(*) < 2) x;
drop table big, small;
-- aggregates of distinct values, in two steps where they share the argument
create table v(g int, x int, y numeric);
insert into v select i % 7, i % 13, (i % 5) / 2.0 from generate_series(1, 5000) i;
insert into v values (1, null, null), (null, 3, 1.50), (null, null, null), (99, null, 7);
select g, count(distinct x) from v group by g order by g;
select g, count(distinct x), sum(distinct x), avg(distinct x), min(distinct x) from v group by g order by g;
select count(distinct x), max(distinct x) from v;
select count(distinct y), sum(distinct y) from v where g is null;
select count(distinct x) from v where false;
select g, count(distinct x) from v where false group by g;
select g, count(distinct x), count(*) from v group by g order by g;
select g, count(distinct x), count(distinct y) from v group by g order by g;
select g % 2, count(distinct x + 1) from v group by 1 having count(distinct x + 1) > 3 order by 1;
select count(distinct x) filter (where g = 1), count(distinct x) from v;
drop table v;
