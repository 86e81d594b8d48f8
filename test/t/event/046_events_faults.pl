# At each fault point of src/event, a session or the scheduler fails.  Afterwards no
# event is lost or doubled, the log is readable, partitions and their rows agree,
# and the next upkeep finishes the work.  033_faults.pl has the other points.
#
# Environment: JADUGAR_POINT (regex), some of them.
use strict;
use warnings;

use JadugarTest;
use Kill;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', -faults => 1,
	log_min_messages => 'warning',
	include_if_exists => 'torture.conf');
my %t = (node => $node, offset => 86400 - time() % 86400 + 3900, changed => {});
my $n = 0;

$deadline = 60;
change(\%t, 'jadugar.clock_offset' => $t{offset});
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	SELECT jadugar.grant_access('app');
	CREATE TABLE ledger (n integer PRIMARY KEY, topic text, event_id bigint);
	GRANT ALL ON ledger TO app;
	SELECT jadugar.create_topic('kept', roll => 'hour', keep => true, owner => 'app');
	SELECT jadugar.create_topic('short', roll => 'hour', retention => '2 hours', owner => 'app')});

my @points = (
	[ 'event-published', 'publish' ],
	[ 'event-published', 'batch' ],
	[ 'event-leaf-made', 'create_topic' ],
	[ 'event-leaf-made', 'scheduler' ],
	[ 'event-leaf-rolled', 'scheduler' ],
	[ 'event-leaf-sealed', 'scheduler' ],
	[ 'event-leaf-detached', 'scheduler' ]);
if ($ENV{JADUGAR_POINT})
{
	@points = grep { $_->[0] =~ /$ENV{JADUGAR_POINT}/ } @points;
}
else
{
	my %there = map { $_->[0] => 1 } @points;

	# 063_event_limits.pl has these, and 064_replay_faults.pl the last one
	$there{$_} = 1 foreach qw(event-parked-copied event-leaf-expiring event-leaf-dropped event-subscribed);

	is(join(' ', sort keys %there), join(' ', grep { /^event-/ } fault_points()),
		'every fault point of events is tested');
}

# A transaction that publishes in both topics, with its row in the ledger.  This
# session may be the one that fails.
sub work
{
	my ($fault, $what) = @_;
	my $ids = ($what // '') eq 'batch'
	  ? q{jadugar.publish_batch('note', ARRAY['{}'::jsonb], topic => t)}
	  : q{jadugar.publish('note', topic => t)};

	$n += 2;
	return defined eval {
		$node->psql('postgres', qq{
			SET jadugar.fault = '$fault';
			SET SESSION AUTHORIZATION app;
			INSERT INTO ledger SELECT $n + (t = 'kept')::integer, t, $ids FROM unnest('{kept, short}'::text[]) t},
			on_error_die => 1, stderr => \my $err);
		1;
	};
}

sub hit
{
	return -e $node->data_dir . '/jadugar_fault.1';
}

sub hours_pass
{
	my ($hours) = @_;

	change(\%t, 'jadugar.clock_offset' => $t{offset} += $hours * 3600);
	return;
}

my $agree = q{
	SELECT (SELECT coalesce(array_agg(inhrelid::regclass::text ORDER BY inhrelid), '{}') FROM pg_inherits
			WHERE inhparent = 'jadugar_internal.event'::regclass AND NOT inhdetachpending)
		= (SELECT coalesce(array_agg('jadugar_internal.event_' || leaf ORDER BY to_regclass('jadugar_internal.event_' || leaf)), '{}')
			FROM jadugar_internal.event_leaf)
	AND (SELECT count(*) FROM pg_class WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind = 'r'
			AND relname ~ '^event_\d+$') = (SELECT count(*) FROM jadugar_internal.event_leaf)
	AND (SELECT bool_and(l.closed_at IS NULL AND l.topic_id = t.topic_id) FROM jadugar_internal.topic t
			JOIN jadugar_internal.event_leaf l ON l.leaf = t.leaf)
	AND (SELECT count(*) FROM jadugar_internal.event_leaf WHERE closed_at IS NULL) = (SELECT count(*) FROM jadugar_internal.topic)};

# What differs between the ledger and the log.  Old events of the topic "short"
# have been dropped.
my $wrong = q{
	WITH e AS (SELECT event_id, topic FROM jadugar.read_events('{note}', max_rows => 1000000)),
		v AS (SELECT event_id, topic FROM jadugar.events WHERE type = 'note')
	SELECT 'lost ' || n FROM ledger l WHERE topic = 'kept' AND NOT EXISTS (SELECT FROM e WHERE e.event_id = l.event_id)
	UNION ALL SELECT 'unknown ' || event_id FROM e WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.event_id = e.event_id AND l.topic = e.topic)
	UNION ALL SELECT 'doubled ' || event_id FROM e GROUP BY event_id HAVING count(*) > 1
	UNION ALL (SELECT 'only read ' || event_id FROM (SELECT * FROM e EXCEPT ALL SELECT * FROM v) x)
	UNION ALL (SELECT 'only seen ' || event_id FROM (SELECT * FROM v EXCEPT ALL SELECT * FROM e) x)
	LIMIT 10};

# The upkeep has rolled, sealed and dropped what it should.
my $done = q{
	SELECT count(*) = 0 FROM jadugar_internal.event_leaf l JOIN jadugar_internal.topic t USING (topic_id)
	WHERE l.closed_at IS NOT NULL AND (l.sealed_at IS NULL OR NOT t.keep AND t.retention < '3 hours')};

sub upkeep_until
{
	my ($query, $name) = @_;

	return poll_sub($name, sub { change(\%t); return ($node->psql('postgres', $query))[1] eq 't'; });
}

sub session_fails
{
	my ($what, $drive) = @_;

	if ($drive eq 'create_topic')
	{
		eval { $node->psql('postgres', "SET jadugar.fault = '$what'; SELECT jadugar.create_topic('made')", stderr => \my $err) };
	}
	else
	{
		work($what, $drive);
	}
	return;
}

sub fail_at
{
	my ($point, $drive, $action) = @_;
	my $what = "$point:$action";
	my $log = log_offset($node);

	poll_sub('a transaction before', sub { work('') });
	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	if ($drive eq 'scheduler')
	{
		# hours later, the partitions of a topic are dropped
		poll_sub("$what is hit", sub {
			change(\%t, 'jadugar.fault' => $what, 'jadugar.clock_offset' => $t{offset} += 3600);
			eval { work('') };
			return hit();
		});
	}
	else
	{
		session_fails($what, $drive);
		ok(hit(), "$what is hit");
	}
	if ($action eq 'kill9')
	{
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $log);
	}
	poll($node, 'SELECT true');
	change(\%t, 'jadugar.fault' => undef);
	is($node->safe_psql('postgres', $wrong), '', "$what in $drive: no event is lost or doubled");
	if ($drive eq 'create_topic')
	{
		is($node->safe_psql('postgres', q{SELECT jadugar.create_topic('made') > 0}), 't', "$what: the topic can be made");
		$node->safe_psql('postgres', q{SELECT jadugar.drop_topic('made')});
	}
	poll_sub('a transaction afterwards', sub { work('') });
	hours_pass(1);
	my $rolled = upkeep_until(q{SELECT count(*) = 0 FROM jadugar_internal.event e JOIN jadugar_internal.topic t ON t.leaf = e.leaf WHERE t.topic_id > 9},
		'partitions roll');
	hours_pass(3);
	ok($rolled && upkeep_until($done, "$what: upkeep is done") && upkeep_until($agree, "$what: partitions agree"),
		"$what in $drive: the next upkeep finishes the work");
	is($node->safe_psql('postgres', $wrong), '', "$what in $drive: nothing is lost or doubled afterwards");
	return;
}

foreach my $p (@points)
{
	my ($point, $drive) = @$p;

	fail_at($point, $drive, $_) foreach qw(kill9 error);
}

# While a partition is detached and not dropped yet, its events are read, pg_dump
# works and DROP EXTENSION drops it.
{
	poll_sub('a transaction before', sub { work('') });
	unlink(glob($node->data_dir . '/jadugar_fault.*'));
	poll_sub('a partition is detached', sub {
		change(\%t, 'jadugar.fault' => 'event-leaf-detached:wait', 'jadugar.clock_offset' => $t{offset} += 3600);
		work('');
		return hit();
	});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c WHERE relnamespace = 'jadugar_internal'::regnamespace
			AND relkind = 'r' AND relname ~ '^event_\d+$' AND NOT relispartition}), '1', 'one partition is detached');
	command_ok([ 'pg_dump', '-f', $node->data_dir . '/dump', '-d', $node->connstr('postgres') ], 'pg_dump meanwhile');
	ok(work(''), 'publishing meanwhile');
	my $drop = $node->background_psql('postgres');
	$drop->query_until(qr/begun/, "\\echo begun\nDROP EXTENSION jadugar;\n\\echo dropped\n");
	append_to_file($node->data_dir . '/jadugar_fault.go', '');
	$drop->quit;
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname ~ 'jadugar'}), '0', 'DROP EXTENSION drops it');
}

unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:/, 'no process panicked');
$node->stop;
done_testing();
