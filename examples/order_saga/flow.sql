-- The saga, created by the shop, which owns the flow and its queue and nothing
-- else.
SET ROLE saga_shop;
SET search_path = jadugar;

-- At most two parcels are booked at a time.
\o /dev/null
SELECT create_queue('carrier', max_concurrency => 2);

-- Each step names its compensation, which receives the result of the step. The
-- last step needs none, as it has no successor. It calls two of the services in
-- one transaction, because they are in one database, and fails unless there are
-- such goods and such an order.
SELECT create_flow('order',
	step('accept', 'SELECT orders.accept($1)', '{"order": "$.input.order"}',
		compensate => 'SELECT orders.cancel($1)')
	~> branch('$.steps.accept.amount > 400',
		step('ask', 'SELECT orders.ask($1, (jadugar.current_task()).flow_run)', '"$.steps.accept"')
		~> approval('large', approvers => 'saga_manager', timeout => '1 hour'))
	~> step('reserve', 'SELECT stock.reserve($1)', '"$.steps.accept"',
		compensate => 'SELECT stock.release($1)',
		retry => retry_policy(10, delay => '100 ms'),
		compensate_retry => retry_policy(20, delay => '100 ms', max_delay => '1 s'))
	~> payment.step()
	~> (
		step('book', 'SELECT delivery.book($1)', '"$.steps.accept"', queue => 'carrier',
			compensate => 'SELECT delivery.recall($1)',
			retry => retry_policy(4, delay => '100 ms'),
			compensate_retry => retry_policy(20, delay => '100 ms', max_delay => '1 s'))
		& step('invoice', 'SELECT orders.make_invoice($1)', '"$.steps.accept"',
			compensate => 'SELECT orders.void_invoice($1)',
			retry => retry_policy(4, delay => '100 ms')))
	~> step('close', 'SELECT * FROM stock.sell($1) AS sku, orders.deliver($1) AS order_id',
		'"$.steps.accept"', expect_rows => 'one'),
	description => 'from the order to the parcel');
\o

\echo The saga:
\pset tuples_only on
\pset format unaligned
SELECT explain_flow('order');
\pset format aligned
\pset tuples_only off
\echo
RESET search_path;
RESET ROLE;
