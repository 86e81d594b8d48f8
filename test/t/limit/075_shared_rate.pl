# Tenants that share the rate of a queue take turns in it: of the tasks that have begun,
# each tenant has about as many.  Several workers compete for the tokens.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 4);
create_extension($node);

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', "SET search_path = jadugar, public; $sql");
}

my $tenants = 300;
my $each = 8;
sql(qq{
	SELECT create_queue('mails', rate => $tenants, per => '1 second', burst => $tenants), pause_queue('mails');
	SELECT count(create_tenant('t' || i)) FROM generate_series(1, $tenants) i;
	SELECT count(enqueue('SELECT 1', queue => 'mails', tenant => 't' || i)) FROM generate_series(1, $tenants) i, generate_series(1, $each);
	SELECT resume_queue('mails')});
ok(poll($node, 'SELECT count(*) >= 3 * ' . $tenants . ' FROM jadugar.history'), 'three tasks for each tenant have run');
is(sql(q{SELECT mode() WITHIN GROUP (ORDER BY waiting_for) FROM tasks WHERE status = 'pending'}), 'rate_limit', 'the others wait for the rate');
ok(poll($node, 'SELECT count(*) FROM jadugar.tasks', 0), 'all tasks run in the end');

# how many of the first tasks to begin are each tenant's
my $first = 3 * $tenants;
my ($count, $least, $most) = split /\|/, sql(qq{
	WITH h AS (SELECT tenant FROM history ORDER BY started_at, task_id LIMIT $first),
		n AS (SELECT tenant, count(*) AS n FROM h GROUP BY tenant)
	SELECT count(*), min(n), max(n) FROM n});
is($count, $tenants, 'each tenant had a turn');
cmp_ok($least, '>=', 1, "the one with least has had $least of 3");
cmp_ok($most, '<=', 6, "the one with most has had $most of 3");

# the rate holds: at no time more began than the burst and what time adds
is(sql(qq{
	WITH h AS (SELECT started_at, row_number() OVER (ORDER BY started_at) AS n FROM history)
	SELECT count(*) FROM h, (SELECT min(started_at) AS at FROM h) AS f
	WHERE n > $tenants + ceil($tenants * extract(epoch FROM started_at - at)) + 1}), '0', 'no task began before its token');

$node->stop;
done_testing();
