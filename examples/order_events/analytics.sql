-- A question that nobody asked when the orders were placed. A replay handles the
-- events of the log again, for a table of its own. The subscription whose options it
-- takes goes on undisturbed.
SET ROLE shop_reports;
\o /dev/null

CREATE TABLE reports.sales (
	sku			text PRIMARY KEY,
	orders		bigint NOT NULL,
	quantity	bigint NOT NULL,
	cents		bigint NOT NULL
);

CREATE FUNCTION reports.count_sales(events jadugar.event_info[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO reports.sales AS s
	SELECT data->>'sku', count(*), sum((data->>'quantity')::bigint), sum((data->>'cents')::bigint)
	FROM unnest(events) WHERE type = 'order.created' GROUP BY 1
	ON CONFLICT (sku) DO UPDATE SET orders = s.orders + excluded.orders,
		quantity = s.quantity + excluded.quantity, cents = s.cents + excluded.cents
$$;

SELECT jadugar.replay('order_summary', 'sales', handler => 'SELECT reports.count_sales($1)');

-- It ends by itself.
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN (SELECT status FROM jadugar.subscriptions WHERE name = 'sales') = 'done';
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;
SELECT jadugar.unsubscribe('sales');
\o
RESET ROLE;
