# examples/order_saga runs as its README describes, with psql -f, and its output is
# correct: the books balance.  It runs once more while workers and the server are
# killed.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $example = "$top/examples/order_saga";
my $node = new_cluster('main');

sub psql_of
{
	my ($file, @options) = @_;

	return [ 'psql', '-X', '-d', $node->connstr('postgres'), @options, '-f', "$example/$file" ];
}

sub balanced
{
	my ($what) = @_;

	is( $node->safe_psql('order_saga', 'SELECT what, found FROM public.balance WHERE balanced IS NOT TRUE'),
		'', "$what: the books balance");
	is($node->safe_psql('order_saga', 'SELECT count(*) FROM public.balance'),
		'9', "$what: all nine balances are listed");
	return;
}

# In the way of a reader.
my ($out, $err) = run_command(psql_of('run.sql'));
is($err, '', 'run.sql: no error');
like($out, qr/The books are balanced/, 'run.sql: says that the books balance');
balanced('run.sql');
is( $node->safe_psql('order_saga', q{
	SELECT string_agg(reason, ', ' ORDER BY reason)
	FROM (SELECT DISTINCT reason FROM jadugar.flow_runs WHERE status = 'compensated') r}),
	'step "book" failed, step "charge" failed, step "invoice" failed, step "large" was rejected, step "reserve" failed',
	'every injected failure occurs');
is( $node->safe_psql('order_saga', q{
	SELECT count(*) || ' orders, ' || (SELECT count(*) FROM jadugar.flow_runs) || ' runs'
	FROM orders.customer_order}),
	'300 orders, 300 runs', 'each order has one run');

($out, $err) = run_command(psql_of('cleanup.sql'));
is($err, '', 'cleanup.sql: no error');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_roles WHERE rolname ~ '^saga_'}),
	'0', 'cleanup.sql: removes the roles');

# Once more: orders without their summary, while processes are killed.
my $script = join("\n",
	'\set QUIET on', '\set ON_ERROR_STOP on', '\set orders 300',
	map { "\\i $example/$_" } qw(setup.sql services.sql payment.sql flow.sql));
$node->safe_psql('postgres', $script);
$node->safe_psql('order_saga', <<'SQL');
SET ROLE saga_shop;
SELECT count(jadugar.start_flow('order', jsonb_build_object('order', n), idempotency_key => 'order ' || n))
FROM orders.place(300) AS n;
SQL
kill_in_turn($node, 'order_saga', 'SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NOT NULL', 20);
$node->safe_psql('order_saga', <<'SQL');
SET ROLE saga_manager;
SELECT jadugar.schedule('decide', 'every 1 second',
	$$SELECT count(jadugar.approve(run_id, a.name, q.amount < 550))
	FROM jadugar.approvals a JOIN orders.question q USING (run_id)$$);
SQL
poll($node, 'SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NOT NULL', '300', 'order_saga');
($out, $err) = run_command([ 'psql', '-X', '-d', $node->connstr('order_saga'), '-f', "$example/balance.sql" ]);
is($err, '', 'balance.sql: no error');
balanced('with processes killed');

$node->stop;
done_testing();
