-- The step of the saga that pays: a function of the payment service, in this database.
-- payment_http.sql has another one. Run as a superuser.
CREATE FUNCTION payment.step() RETURNS jadugar.flow LANGUAGE sql AS $$
	SELECT jadugar.step('charge', 'SELECT payment.charge($1)', '"$.steps.accept"',
		compensate => 'SELECT payment.refund($1)',
		retry => jadugar.retry_policy(10, delay => '100 ms'),
		compensate_retry => jadugar.retry_policy(20, delay => '100 ms', max_delay => '1 s'))
$$;
GRANT EXECUTE ON FUNCTION payment.step TO saga_shop;
