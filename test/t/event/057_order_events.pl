# examples/order_events runs as its README describes, with psql -f, and its output is
# correct: the books balance.  It runs once more while workers and the server are
# killed.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $example = "$top/examples/order_events";
my $node = new_cluster('main');

sub psql_of
{
	my ($file, $db) = @_;

	return [ 'psql', '-X', '-d', $node->connstr($db // 'postgres'), '-f', "$example/$file" ];
}

sub balanced
{
	my ($what) = @_;

	is( $node->safe_psql('order_events', 'SELECT what, found FROM public.balance WHERE balanced IS NOT TRUE'),
		'', "$what: the books balance");
	is($node->safe_psql('order_events', 'SELECT count(*) FROM public.balance'),
		'8', "$what: all eight balances are listed");
	return;
}

# In the way of a reader.
my ($out, $err) = run_command(psql_of('run.sql'));
is($err, '', 'run.sql: no error');
like($out, qr/inventory\.reserved \| 22P02 +\| +8 /, 'run.sql: shows the dead letters of the bug');
like($out, qr/The books are balanced/, 'run.sql: says that the books balance');
balanced('run.sql');
is( $node->safe_psql('order_events',
		q{SELECT string_agg(DISTINCT reason, ', ' ORDER BY reason) FROM orders.customer_order WHERE status = 'cancelled'}),
	'address unknown, card declined, not in stock',
	'every failure occurs');
is( $node->safe_psql('order_events', q{
	SELECT (SELECT count(*) FROM orders.customer_order WHERE status = 'shipped')
		- count(*) FILTER (WHERE status = 'delivery.shipped'), count(*), sum(cents) = (SELECT sum(100 * amount) FROM orders.customer_order)
	FROM reports.order_summary}),
	'0|300|t', 'the reports agree with the orders');
is( $node->safe_psql('order_events', q{
	SELECT count(*) FILTER (WHERE version = 1), count(*) FILTER (WHERE version = 2)
	FROM jadugar_internal.event WHERE type = 'order.created'}),
	'225|75', 'both versions of order.created are in the log');
is( $node->safe_psql('order_events', q{
	SELECT count(*) FROM notification.mail m JOIN orders.customer_order o USING (order_id)
	WHERE subject = format('Your order of %s EUR', amount)}),
	'300', 'notification gets the first version of all orders');

($out, $err) = run_command(psql_of('cleanup.sql'));
is($err, '', 'cleanup.sql: no error');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname ~ '^shop_'}),
	'0', 'cleanup.sql: removes the roles');

# Once more, while processes are killed.
$node->safe_psql('postgres', join("\n",
	'\set QUIET on', '\set ON_ERROR_STOP on', '\set first 1', '\set last 300',
	map { "\\i $example/$_" } qw(setup.sql orders.sql inventory.sql payment.sql delivery.sql notification.sql place.sql)));
foreach my $round (1 .. 3)
{
	my $want = 15 * $round;

	poll($node, "SELECT count(*) >= $want FROM orders.customer_order WHERE status IN ('shipped', 'cancelled')", 't', 'order_events');
	my $pid = $node->safe_psql('order_events',
		q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'jadugar worker'});
	if ($round == 2)
	{
		$node->stop('immediate');
		$node->start;
	}
	elsif ($pid ne '')
	{
		# terminated as by an administrator; then killed, and all restart
		kill_process($pid, $round == 1 ? 'TERM' : 'KILL');
	}
}
poll($node, 'SELECT 1', '1', 'order_events');
$node->safe_psql('order_events', q{
	SET ROLE shop_payment;
	CREATE OR REPLACE FUNCTION payment.number_of(card text) RETURNS numeric IMMUTABLE LANGUAGE sql
		AS $$SELECT replace(card, ' ', '')::numeric$$});
poll($node, q{SELECT count(*) FROM jadugar.dead_letters WHERE state = 'retrying'}, '0', 'order_events');
$node->safe_psql('order_events', q{SET ROLE shop_payment; SELECT jadugar.redrive('payment')});
($out, $err) = run_command(psql_of('settle.sql', 'order_events'));
is($err, '', 'settle.sql: no error');
($out, $err) = run_command(psql_of('balance.sql', 'order_events'));
is($err, '', 'balance.sql: no error');
balanced('with processes killed');

$node->stop;
done_testing();
