-- what pg_stats says where it is exact, and that answers do not depend on it
create table t (id int primary key, kind text, price numeric(10,2), day date, never int, flag boolean);
insert into t select g, case when g % 4 = 0 then null else 'k' || g % 3 end, (g % 50) / 10.0,
                     date '2020-01-01' + g % 30, null, g % 2 = 0
from generate_series(1, 400) g;
select count(*) from pg_stats where tablename = 't';
analyze t;
select reltuples from pg_class where relname = 't';
select attname, inherited, null_frac, n_distinct from pg_stats where tablename = 't' and attname in ('id', 'kind', 'flag', 'never') order by 1;
select most_common_freqs::text from pg_stats where tablename = 't' and attname = 'flag';
select count(*) from t where kind = 'k1' and price < 2;
select count(*) from t where kind like 'k%' or price > 4 and day < '2020-01-15';
select count(*) from t where never is null and flag;
select count(*) from t where price = 99 or kind = 'none';
select kind, extract(day from day) as d, count(*) from t group by 1, 2 having count(*) > 4 order by 1, 2;
select count(*) from t a, t b where a.price = b.price and a.id < 20 and b.kind is null;
insert into t select g, 'new', 1, date '2021-01-01', 1, true from generate_series(1000, 3000) g;
select count(*) from t where kind = 'new';
analyze;
select n_distinct from pg_stats where tablename = 't' and attname = 'id';
alter table t drop column never;
select attname from pg_stats where tablename = 't' order by 1;
delete from t;
analyze t;
select count(*) from t where kind = 'k1';
begin;
insert into t values (1, 'x', 1, '2020-01-01', true);
analyze t;
rollback;
select count(*) from t where kind = 'x';
drop table t;
select count(*) from pg_stats where tablename = 't';
