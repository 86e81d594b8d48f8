# examples/order_events runs as its README describes, with psql -f, and its output is
# correct: the books balance, and the carrier, a shell script, prints a label for each
# parcel.  It runs once more while workers, the server and the carrier are killed.
use strict;
use warnings;

use IPC::Run;
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

# The carrier, which writes to a file.
my $labels = $node->basedir . '/labels.txt';
my @carrier = ('env', 'PGHOST=' . $node->host, 'PGPORT=' . $node->port, 'PGDATABASE=order_events', 'PGUSER=shop_delivery',
	'sh', "$example/carrier.sh", $labels);

# It prints what is left.  Then each parcel has a label, and only one event.
sub prove_labels
{
	my ($what) = @_;

	is((run_command(\@carrier))[1], '', "$what: the carrier meets no error");
	my @lines = split /\n/, slurp_file($labels);
	my %printed = map { $_ => 1 } @lines;

	is(join("\n", sort keys %printed), $node->safe_psql('order_events', q{
		SELECT string_agg(l, E'\n' ORDER BY l COLLATE "C")
		FROM jadugar.read_events('{delivery.shipped}', max_rows => 1000), format('%s label of order %s', event_id, key) l}),
		"$what: each parcel has a label");
	is($node->safe_psql('order_events', q{SELECT max(behind), count(holder) FROM jadugar.subscription_shards WHERE subscription = 'carrier'}),
		'0|0', "$what: all are acknowledged");
	unlink($labels);
	return @lines - keys %printed;
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
	SELECT (SELECT sum(orders) FROM reports.sales), (SELECT sum(cents) FROM reports.sales) = (SELECT sum(cents) FROM reports.order_summary),
		(SELECT count(*) FROM jadugar.subscriptions WHERE replay)}),
	'300|t|0', 'the replay has handled all orders');
is(prove_labels('carrier.sh'), 0, 'carrier.sh: no label is printed twice');
is( $node->safe_psql('order_events', q{
	SELECT count(*) FROM notification.mail m JOIN orders.customer_order o USING (order_id)
	WHERE subject = format('Your order of %s EUR', amount)}),
	'300', 'notification gets the first version of all orders');

($out, $err) = run_command(psql_of('cleanup.sql'));
is($err, '', 'cleanup.sql: no error');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname ~ '^shop_'}),
	'0', 'cleanup.sql: removes the roles');

# Once more, while processes are killed, and the carrier with them.
$node->safe_psql('postgres', join("\n",
	'\set QUIET on', '\set ON_ERROR_STOP on', '\set first 1', '\set last 300',
	map { "\\i $example/$_" } qw(setup.sql orders.sql inventory.sql payment.sql delivery.sql notification.sql place.sql)));
my $run = IPC::Run::start(\@carrier, '2>', '/dev/null');
kill_in_turn($node, 'order_events', q{SELECT count(*) FROM orders.customer_order WHERE status IN ('shipped', 'cancelled')}, 15, sub {
	$run->signal('KILL');
	$run->finish;
	$run = IPC::Run::start(\@carrier, '2>', '/dev/null');
});
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
$run->finish;
note('labels printed twice: ' . prove_labels('with processes killed'));

$node->stop;
done_testing();
