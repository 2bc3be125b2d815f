-- Joins of inputs that come in the order of their keys.
create table o (id int primary key, d date, p numeric(8,2), c int);
insert into o select g, date '2020-01-01' + g % 300, g % 97, case when g % 11 > 0 then g / 3 end
  from generate_series(1, 20000) g;
create table l (o bigint, n int, q int, t varchar(20), primary key (o, n));
insert into l select g / 4, g % 4, g % 50, 't' || g % 7 from generate_series(0, 59999) g where g % 5 <> 3;
create index o_c on o (c desc);
create index l_t on l (t, q desc);
analyze;
select o.id, s.q from o join (select o, sum(q) as q from l group by o) s on s.o = o.id order by o.id limit 5;
select o.id, s.q from o join (select o, sum(q) as q from l group by o) s on s.o = o.id order by o.id desc limit 5;
select o.id, s.q from o left join (select o, sum(q) as q from l group by o) s on s.o = o.id
  order by o.id desc limit 3 offset 4997;
select s.o, s.q, o.p from o right join (select o, sum(q) as q from l group by o) s on s.o = o.id
  order by s.o limit 4;
select s.o, s.q, o.p from o right join (select o, sum(q) as q from l group by o) s
  on s.o = o.id and o.p > s.q order by s.o limit 4;
select o.id, s.q from o join (select o, sum(q) as q from l group by o having sum(q) > 190) s on s.o = o.id
  order by s.o limit 5;
select a.c, a.n, b.q from (select c, count(*) as n from o group by c) a
  join (select o, sum(q) as q from l group by o) b on b.o = a.c order by a.c limit 6;
select a.c, a.n, b.q from (select c, count(*) as n from o group by c) a
  left join (select o, sum(q) as q from l group by o) b on b.o = a.c order by a.c desc limit 6;
select a.c, a.n, b.q from (select c, count(*) as n from o group by c) a
  left join (select o, sum(q) as q from l group by o) b on b.o = a.c order by a.c nulls first limit 6;
select a.c, a.n, b.q from (select c, count(*) as n from o group by c) a
  left join (select o, sum(q) as q from l group by o) b on b.o = a.c order by a.c desc nulls last limit 6;
select a.c, a.n from (select c, count(*) as n from o group by c) a
  where exists (select from (select o, sum(q) as q from l group by o) b where b.o = a.c and b.q > 80)
  order by a.c limit 6;
select a.c, a.n from (select c, count(*) as n from o group by c) a
  where not exists (select from (select o, sum(q) as q from l group by o) b where b.o = a.c and b.q > 80)
  order by a.c limit 6;
select o.id, count(*), sum(l.q) from o join l on l.o = o.id group by o.id order by o.id limit 4;
select o.id, o.d, count(*), sum(l.q) from o left join l on l.o = o.id and l.n = 1 group by o.id
  order by o.id limit 4;
select distinct l.o from o join l on l.o = o.id order by l.o desc limit 4;
select l.o, l.n, o.d from l join o on o.id = l.o order by l.o, l.n limit 9;
select l.o, l.n, o.d from l join o on o.id = l.o order by l.o desc, l.n desc limit 9;
select x.o, x.n, y.n from l x join l y on x.o = y.o and x.n = y.n order by x.o, x.n limit 5;
select x.o, x.n, y.n from l x join l y on x.o = y.o and x.n = y.n order by x.n, x.o limit 5;
select x.o, x.n, count(*) from l x join l y on x.o = y.o and x.n = y.n group by x.n, x.o
  order by x.o, x.n limit 5;
select s.o, s.q, r.m, o.d from (select o, sum(q) as q from l group by o) s
  join (select o, max(n) as m from l group by o) r on r.o = s.o join o on o.id = r.o order by s.o limit 4;
-- both sorted already
select count(*), sum(x.n), sum(y.q) from (select * from l order by q, o, n limit 3000) x
  join (select * from l where n = 1 order by q desc, o limit 40) y on x.q = y.q;
select count(*), sum(x.n), sum(y.q) from (select * from l order by q, o, n limit 3000) x
  join (select * from l where n < 2 order by q, o, n limit 4000) y on x.q = y.q and x.n < y.o;
select x.q, count(*), sum(x.n), sum(y.q) from (select * from l order by q, o, n limit 3000) x
  full join (select * from l where n < 2 order by q, o, n offset 3000) y on x.q = y.q group by x.q order by x.q;
select count(*), count(x.c), count(y.c), sum(x.id) from (select id, c from o order by c, id limit 5000) x
  full join (select id, c from o order by c, id offset 4000) y on x.c = y.c and x.id <> y.id;
select count(*), count(x.c), count(y.c), sum(x.id) from (select id, c from o order by c, id limit 5000) x
  left join (select id, c from o order by c nulls first, id offset 4000) y on x.c = y.c;
select count(*), sum(x.id) from (select id, c from o order by c desc, id limit 5000) x
  where not exists (select from (select id, c from o order by c desc, id offset 4000) y
  where x.c = y.c and x.id < y.id);
select count(*), sum(x.id) from (select id, c from o order by c desc, id limit 5000) x
  where exists (select from (select id, c from o order by c desc, id offset 4000) y
  where x.c = y.c and x.id < y.id);
with x as materialized (select id, c from o order by c, id), y as materialized (select o, n from l order by o, n)
  select x.c, x.id, y.o, y.n from x join y on x.c = y.o order by x.c, x.id, y.n limit 1;
with x as materialized (select c, count(*) as n from o group by c order by c),
  y as materialized (select o, count(*) as n from l group by o order by o)
  select count(*), sum(x.n), sum(y.n), min(x.c) from x join y on x.c = y.o;
with x as materialized (select c, count(*) as n from o group by c order by c),
  y as materialized (select o, count(*) as n from l group by o order by o)
  select x.c, x.n, y.n, z.n from x join y on x.c = y.o join y z on z.o = y.o order by y.o desc limit 3;
-- groups one after the other, for their rows come so
select t, count(*), sum(q) from (select t, q from l order by t, q, o limit 5000) x group by t;
select distinct q from (select q from l order by q limit 5000) x;
-- what is equal, and what comes before what
create table f (x float8, y numeric, z char(6), s varchar(9), i interval);
insert into f values (0, 1.0, 'a', 'a', '1 mon'), ('-0', 1.00, 'a ', 'a ', '30 days'),
  ('nan', 'nan', 'b', 'B', '1 day'), ('inf', 2, 'b', 'b', '24:00'), ('-inf', 1, 'A', 'A', '1 year'),
  (null, null, null, null, null), (1, 10, '', '', '-1 day'), ('nan', 9, 'aa', 'aa', '23:59');
insert into f select g + 0.5, g + 100, 'g' || g, 'g' || g, g * interval '1 hour' from generate_series(1, 3000) g;
create index f_x on f (x);
create index f_y on f (y desc);
create index f_z on f (z);
create index f_s on f (s);
create index f_i on f (i);
analyze f;
select a.x, b.x, count(*) from f a join f b on a.x = b.x group by a.x, b.x order by a.x limit 4;
select count(*) from (select a.x from (select x from f order by x limit 5000) a
  join (select x from f order by x limit 5000) b on a.x = b.x) s;
select count(*) from (select a.x from (select x from f order by x desc limit 5000) a
  join (select x from f order by x desc limit 5000) b on a.x = b.x) s;
select count(*) from (select y from f order by y limit 5000) a join (select y from f order by y limit 5000) b
  on a.y = b.y;
select count(*) from (select z from f order by z limit 5000) a join (select z from f order by z limit 5000) b
  on a.z = b.z;
select count(*) from (select s from f order by s limit 5000) a join (select z::text as z from f order by 1 limit 5000) b
  on a.s = b.z;
select count(*) from (select s from f order by s limit 5000) a join (select z from f order by z limit 5000) b
  on a.s = b.z;
select count(*) from (select i from f order by i limit 5000) a join (select i from f order by i limit 5000) b
  on a.i = b.i;
select a.y, a.n, b.n from (select y, count(*) as n from f group by y) a
  join (select y, count(*) as n from f group by y) b on a.y = b.y order by a.y desc limit 4;
select a.z, a.n, b.n from (select z, count(*) as n from f group by z) a
  join (select z, count(*) as n from f group by z) b on a.z = b.z order by a.z limit 4;
select a.s, a.n, b.n from (select s, count(*) as n from f group by s) a
  left join (select s::text as s, count(*) as n from f group by s) b on a.s = b.s order by a.s limit 5;
select a.i, a.n, b.n from (select i, count(*) as n from f group by i) a
  join (select i, count(*) as n from f group by i) b on a.i = b.i order by a.i desc limit 3;
-- begun again for each row outside
select o.id, (select sum(a.q + b.q) from (select o as k, q from l where l.o > x.id order by l.o, l.n limit 30) a
  join (select o as k, q from l where l.o > x.id + 1 order by l.o, l.n limit 20) b on a.k = b.k)
  from o join (select id from o where id % 3000 = 0) x on x.id = o.id order by 1;
select x.id, s.* from (select id from o where id % 3000 = 0) x, lateral (select count(*), count(a.k), sum(a.q - b.q)
  from (select o as k, q from l where l.o > x.id order by l.o, l.n limit 30) a
  full join (select o as k, q from l where l.o > x.id + 1 order by l.o, l.n limit 20) b on a.k = b.k and a.q > b.q) s
  order by 1;
-- own changes
begin;
delete from l where o = 2;
insert into l values (-1, 0, 5, 'new'), (3, 77, 6, 'new');
update o set id = id - 2 where id < 3;
select o.id, s.q from o join (select o, sum(q) as q from l group by o) s on s.o = o.id order by o.id limit 5;
rollback;
prepare p(bigint) as select o.id, s.q from o join (select o, sum(q) as q from l group by o) s on s.o = o.id
  order by o.id limit $1;
execute p(2);
execute p(0);
drop table o, l, f;
