-- Rows in the proportions of TPC-H, so that the order of joins is clear; what matters is the shape.
create table nation (n_key int primary key, n_name text not null, n_region int not null);
create table supplier (s_key int primary key, s_nation int not null, s_name text not null);
create table part (p_key int primary key, p_name text not null, p_size int not null);
create table partsupp (ps_part int, ps_supp int, ps_cost numeric(10,2) not null, ps_qty int not null, primary key (ps_part, ps_supp));
create table orders (o_key int primary key, o_customer int not null, o_day date not null, o_status text not null);
create table lineitem (l_order int, l_number int, l_part int not null, l_supp int not null, l_qty numeric(10,2) not null, l_ship date not null, l_receipt date not null, primary key (l_order, l_number));
insert into nation select g, 'nation' || g, g % 5 from generate_series(0, 24) g;
insert into supplier select g, g % 25, 'supplier' || g from generate_series(1, 100) g;
insert into part select g, case when g % 10 = 0 then 'green' else 'blue' end || g, g % 50 from generate_series(1, 2000) g;
insert into partsupp select g, g % 100 + k, g % 100 + k, g % 1000 from generate_series(1, 2000) g, generate_series(0, 3) k where g % 100 + k <= 100 and g % 100 + k > 0;
insert into orders select g, g % 1500, date '1992-01-01' + g % 2400, case when g % 2 = 0 then 'F' else 'O' end from generate_series(1, 15000) g;
insert into lineitem select g, k, (g * 7 + k * 31) % 2000 + 1, (g + k) % 100 + 1, k * 5, date '1992-01-02' + g % 2400 + k, date '1992-01-10' + g % 2400 from generate_series(1, 15000) g, generate_series(1, 4) k;
analyze;
-- the smaller side is built, filters first
explain (costs off) select count(*) from lineitem, orders where l_order = o_key and o_day < '1992-02-01';
-- through a class of equalities to the cheapest edge; constants reach every member
explain (costs off) select count(*) from lineitem, partsupp, part where l_part = p_key and ps_part = p_key and l_supp = ps_supp and p_name like 'green%';
explain (costs off) select * from orders, lineitem where l_order = o_key and o_key = 77;
-- EXISTS, NOT EXISTS, IN
explain (costs off) select count(*) from orders where exists (select * from lineitem where l_order = o_key and l_ship < l_receipt) and o_day < '1993-01-01';
explain (costs off) select count(*) from part where not exists (select * from lineitem where l_part = p_key);
explain (costs off) select count(*) from partsupp where ps_supp not in (select s_key from supplier where s_name like '%9');
explain (costs off) select s_name from supplier where s_key in (select ps_supp from partsupp where ps_part in (select p_key from part where p_name like 'green%') and ps_qty > (select 0.5 * sum(l_qty) from lineitem where l_part = ps_part and l_supp = ps_supp));
-- correlated aggregates
explain (costs off) select sum(l_qty) from lineitem, part where p_key = l_part and p_size = 7 and l_qty < (select 0.2 * avg(l_qty) from lineitem where l_part = p_key);
explain (costs off) select p_key from part where (select count(*) from lineitem where l_part = p_key) = 0;
-- only the group asked for
explain (costs off) select o_key from orders where o_key = 5 and 3 < (select count(*) from lineitem where l_order = o_key);
-- ORs
explain (costs off) select count(*) from lineitem, part where (p_key = l_part and p_size = 1 and l_qty < 6) or (p_key = l_part and p_size = 2 and l_qty > 14);
explain (costs off) select count(*) from supplier, nation n1, nation n2, orders where s_nation = n1.n_key and o_customer = n2.n_key and o_key = s_key and ((n1.n_name = 'nation1' and n2.n_name = 'nation2') or (n1.n_name = 'nation2' and n2.n_name = 'nation1'));
-- outer joins
explain (costs off) select count(*) from part left join lineitem on l_part = p_key;
explain (costs off) select count(*) from orders left join lineitem on l_order = o_key where l_qty > 14;
explain (costs off) select count(*) from (part left join partsupp on ps_part = p_key), supplier where s_key = p_size and s_nation = 3;
-- below grouping, into views
create view totals as select l_part, sum(l_qty) as total from lineitem group by l_part;
explain (costs off) select * from totals where l_part = 5 and total > 10;
explain (costs off) select * from totals where total = (select max(total) from totals);
create view green as select * from part where p_name like 'green%';
explain (costs off) select * from green a, green b where a.p_key = b.p_size and a.p_key < 20;
-- by an index, or all of it
explain (costs off) select * from lineitem where l_order = 5;
explain (costs off) select * from lineitem where l_order = 2;
explain (costs off) select * from lineitem where l_order < 14000;
-- both ends of a range
explain (costs off) select * from lineitem where l_order > 100 and l_order < 110;
create table hot(h_key int primary key, h_text text) with (freeze = off);
insert into hot select i, i from generate_series(1, 5000) i;
analyze hot;
prepare between_keys(int, int) as select * from hot where h_key > $1 and h_key < $2;
explain (costs off) execute between_keys(100, 110);
explain (costs off) select * from lineitem where l_order between 100 and 7000;
