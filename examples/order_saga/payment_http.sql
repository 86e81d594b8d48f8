-- The step of the saga that pays: a request to payment_service.pl, which keeps its own
-- ledger. Run as a superuser. Variable: port, that of the service.

-- The shop may use the service. Its breaker opens after a few failures, so while the
-- service is away, orders wait and use no attempts.
\set url 'http://127.0.0.1:' :port
CREATE SERVER payments FOREIGN DATA WRAPPER jadugar_http OPTIONS (
	base_url :'url', allow_addresses '127.0.0.0/8', timeout '300 ms', max_concurrency '8',
	breaker_consecutive '5', breaker_open_for '500 ms', breaker_half_open '1', breaker_ramp '1 s');
GRANT USAGE ON FOREIGN SERVER payments TO saga_shop;

-- A charge whose answer was lost is sent again with the same key, and is not made twice.
-- A declined card (402) fails at once, and what was done for the order is undone.
CREATE FUNCTION payment.step() RETURNS jadugar.flow LANGUAGE sql AS $$
	SELECT jadugar.step('charge', 'http', '{"endpoint": "payments", "path": "/charges", "body": {
			"order": "$.steps.accept.order", "amount": "$.steps.accept.amount", "card": "$.steps.accept.card"}}',
		compensate_with => jadugar.step('refund', 'http', '{"endpoint": "payments", "path": "/refunds", "body": {
				"order": "$.steps.accept.order", "amount": "$.steps.accept.amount"}}',
			retry => jadugar.retry_policy(50, delay => '100 ms', max_delay => '1 s')),
		retry => jadugar.retry_policy(50, delay => '100 ms', max_delay => '1 s'))
$$;
GRANT EXECUTE ON FUNCTION payment.step TO saga_shop;
