-- Places orders first to last. Some cards are declined, some addresses do not
-- exist, and one kind of goods runs out.
SET ROLE shop_orders;
\o /dev/null
SELECT orders.place(i, 'sku' || i % 5, 1 + i % 3, (1 + i % 3) * 19.90,
	CASE WHEN i % 20 = 3 THEN '4000 1234 5678 ' || 1000 + i ELSE (4000 + i)::text END,
	CASE WHEN i % 13 = 0 THEN 'nowhere' ELSE i || ' High Street' END)
FROM generate_series(:first::integer, :last::integer) AS i;
\o
RESET ROLE;
