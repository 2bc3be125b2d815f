-- Order entry: an order of three lines whose prices make up its total, taken from stock. Summed over
-- the orders entered so (keys of order_keys), totals equal the prices of their lines.
\set customer random(1, :customers)
\set part1 random(1, :parts)
\set part2 random(1, :parts)
\set part3 random(1, :parts)
\set supplier1 :part1 % :suppliers + 1
\set supplier2 :part2 % :suppliers + 1
\set supplier3 :part3 % :suppliers + 1
\set price1 random(1000, 90000)
\set price2 random(1000, 90000)
\set price3 random(1000, 90000)
\set total :price1 + :price2 + :price3
\set day random(0, 2400)
begin;
select nextval('order_keys') as key, date '1992-01-01' + cast(:day as integer) as day \gset
insert into orders values (:key, :customer, 'O', :total, :day, '3-MEDIUM', 'Clerk#000000001', 0,
    'entered');
insert into lineitem values
    (:key, :part1, :supplier1, 1, 1, :price1, 0.00, 0.00, 'N', 'O', :day, :day, :day, 'NONE', 'MAIL',
     'entered'),
    (:key, :part2, :supplier2, 2, 2, :price2, 0.00, 0.00, 'N', 'O', :day, :day, :day, 'NONE', 'SHIP',
     'entered'),
    (:key, :part3, :supplier3, 3, 3, :price3, 0.00, 0.00, 'N', 'O', :day, :day, :day, 'NONE', 'RAIL',
     'entered');
update partsupp set ps_availqty = ps_availqty - 1
    where ps_partkey = :part1 and ps_suppkey = :supplier1;
update freshness set commits = commits + 1 where client = :client_id;
end;
