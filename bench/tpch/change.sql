-- 20 % of all rows are updated, 5 % deleted; the same rows in every system.
update lineitem set l_quantity = 51 - l_quantity, l_discount = 0.10 - l_discount, l_shipdate = l_shipdate + 1,
    l_receiptdate = l_receiptdate + 1
    where (l_orderkey * 7919 + l_linenumber * 104729) % 100 < 20;
update orders set o_totalprice = o_totalprice + 1, o_orderpriority = '1-URGENT',
    o_comment = 'special packages wake, requests sleep'
    where o_orderkey * 7919 % 100 < 20;
update customer set c_acctbal = -c_acctbal, c_mktsegment = 'BUILDING' where c_custkey % 5 = 0;
update part set p_size = 51 - p_size, p_type = 'PROMO PLATED BRASS' where p_partkey % 5 = 1;
update partsupp set ps_supplycost = 1001 - ps_supplycost, ps_availqty = 10000 - ps_availqty
    where (ps_partkey + ps_suppkey) % 5 = 2;
update supplier set s_acctbal = -s_acctbal, s_comment = 'Customer and more Complaints'
    where s_suppkey % 5 = 3;
delete from lineitem where (l_orderkey * 104729 + l_linenumber * 7919) % 20 = 7;
delete from orders where o_orderkey * 104729 % 20 = 11;
delete from customer where c_custkey % 20 = 13;
delete from part where p_partkey % 20 = 17;
delete from partsupp where (ps_partkey * 3 + ps_suppkey) % 20 = 19;
delete from supplier where s_suppkey % 20 = 2;
