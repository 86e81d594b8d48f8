# What the tables say of roles that were dropped is removed when nothing needs it:
# levels and grants at once, a name with the last row that has the role's OID.  Days
# pass immediately, as jadugar.clock_offset moves.
use strict;
use warnings;

use JadugarTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_cluster('main', 'jadugar.history_retention' => '2d', 'jadugar.audit_retention' => '2d', 'jadugar.clock_offset' => 0, 'jadugar.max_workers' => 4);
my $day = 0;
create_extension($node);
sub sql
{
	my ($query, $db) = @_;

	return $node->safe_psql($db // 'postgres', $query);
}

sub days_pass
{
	my ($n) = @_;

	$day += $n;
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = ' . 86400 * $day);
	$node->reload;
	return;
}

# Days pass until the query returns the value.
sub in_time
{
	my ($query, $value, $what) = @_;
	my $now = '';

	foreach my $try (1 .. 12)
	{
		days_pass(1);
		for (1 .. 20)
		{
			$now = sql($query);
			last if $now eq $value;
			usleep(50_000);    # waits-for-time: pause between looks
		}
		last if $now eq $value;
	}
	return is($now, $value, $what);
}

# The roles that the tables name, and those whose name only the history needs
my $access = q{SELECT string_agg(o.name, ' ' ORDER BY o.name) FROM jadugar_internal.access a JOIN jadugar_internal.owner o USING (role)};
my $names = q{SELECT string_agg(name, ' ' ORDER BY name) FROM jadugar_internal.owner WHERE name <> session_user};
my $gone = q{SELECT string_agg(name, ' ' ORDER BY name) FROM jadugar_internal.owner WHERE gone_since IS NOT NULL};
my @all = qw(alive failing flowing granted history planned queueing waiting);

sql(qq{
	CREATE ROLE $_ LOGIN;
	SELECT jadugar.grant_access('$_', 'user')}) foreach @all;
sql(q{
	SELECT jadugar.create_queue('q');
	SELECT jadugar.grant_queue('q', r) FROM unnest('{alive, granted}'::text[]) r;
	CREATE FUNCTION handle(jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
	SELECT jadugar.register_handler('h', 'handle');
	SELECT jadugar.grant_handler('h', r) FROM unnest('{alive, granted}'::text[]) r});

sub as
{
	my ($role, $query) = @_;

	return $node->safe_psql('postgres', $query, extra_params => [ '-U', $role ]);
}

as('history', q{SELECT jadugar.enqueue('SELECT 1')});
as('failing', q{SELECT jadugar.enqueue('SELECT 1 / 0', retry => '{"max_attempts": 1}')});
as('flowing', q{SELECT jadugar.start_flow(jadugar.step('a', 'SELECT 1'), '{}')});
as('planned', q{SELECT jadugar.schedule('s', '0 3 1 1 *', 'SELECT 1')});
as('queueing', q{SELECT jadugar.create_queue('theirs')});
as('waiting', q{SELECT jadugar.enqueue('SELECT 1', delay => '1 year')});
poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE status <> 'scheduled'}, '0');
poll($node, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '0');
is(sql($access), "@all", 'all roles have access');
sql("DROP OWNED BY $_; DROP ROLE $_") foreach grep { $_ ne 'alive' } @all;

# A copy keeps what it is mapped by
sql('CREATE DATABASE copy TEMPLATE postgres');

# The next day
days_pass(1);
poll($node, q{SELECT count(*) FROM jadugar_internal.access}, '1');
is(sql($access), 'alive', 'levels of roles that do not exist are removed');
is(sql(q{SELECT count(*) FROM jadugar_internal.queue_grant}), '1', 'so are their grants on queues');
is(sql(q{SELECT count(*) FROM jadugar_internal.handler_grant}), '1', 'and on handlers');
ok(poll($node, $gone, 'failing granted history'), 'what they have left is found');
is(sql($names), "@all", 'their names stay');

# The history of that time has been removed, and so have runs and their flows
in_time($names, 'alive planned queueing waiting', 'the names of roles to which nothing refers are removed');
sql(q{SELECT jadugar.reassign_owned(role::text, 'alive') FROM jadugar_internal.owner WHERE name = 'planned'});
sql(q{SELECT jadugar.drop_owned(role::text) FROM jadugar_internal.owner WHERE name = 'waiting'});
in_time($names, 'alive queueing', 'also those of which all was given away or dropped');

# A new table with roles has to be looked at
is(sql(q{SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'jadugar_internal'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	AND a.atttypid = 'oid'::regtype AND a.attname IN ('owner', 'role') AND a.attnum > 0}),
	'access actor actor_state attempt audit audit blob cache event_grant event_message event_type flow_draft flow_draft_step flow_message flow_run flow_version handler handler_grant limit_of log owner queue queue_grant schedule subscription task tenant tenant_grant topic unique_key unkept',
	'src/access/gone.c knows the tables that have roles');

is(sql(q{SELECT count(*) FROM jadugar_internal.access}, 'copy'), scalar @all, 'a database that waits for adopt() keeps levels');
is(sql($names, 'copy'), "@all", 'and names');

done_testing();
