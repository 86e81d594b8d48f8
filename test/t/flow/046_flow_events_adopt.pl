# Open waits, and events that have not been read, go with a dump to servers whose
# transaction ids are behind and ahead.  Each wait gets the event that committed
# after it on either server; those that begin on the new one get none of the old.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

$deadline = 20;

my $dir = PostgreSQL::Test::Utils::tempdir();

sub server
{
	my ($name, $ids) = @_;
	my $node = new_cluster($name, 'jadugar.max_workers' => 3, shared_buffers => '16MB');

	$node->safe_psql('postgres', qq{DO \$\$ BEGIN FOR i IN 1 .. $ids LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END \$\$});
	return $node;
}

# Starts a run that waits for an event with each key, each in a transaction of its own.
sub wait_for
{
	my ($node, $who, $from, $to) = @_;

	$node->safe_psql('postgres', qq{
		DO \$\$ BEGIN FOR i IN $from .. $to LOOP
			PERFORM jadugar.start_flow(jadugar.wait_event('m.a', key => i::text, name => 'w'), input => jsonb_build_object('key', i), metadata => '{"who": "$who"}');
			COMMIT;
		END LOOP; END \$\$});
	return;
}

sub publish
{
	my ($node, $by, $from, $to) = @_;

	$node->safe_psql('postgres', qq{SELECT jadugar.publish('m.a', '{"by": "$by"}', i::text) FROM generate_series($from, $to) i});
	return;
}

sub set_enabled
{
	my ($node, $on) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.enabled = $on; SELECT pg_reload_conf()");
	poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler'}, $on eq 'on' ? '1' : '0');
	return;
}

# Which events the waits have got, by the servers that published them.
sub got
{
	my ($node, $who) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT string_agg(concat_ws(' ', status, by, n), ', ' ORDER BY status, by) FROM (
			SELECT r.status, r.result #>> '{data,by}' AS by, count(*) AS n FROM jadugar.flow_runs r WHERE r.metadata->>'who' = '$who' GROUP BY 1, 2) x});
}

sub restore
{
	my ($from, $to, %o) = @_;

	command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", '-d', $from->connstr('postgres') ], 'pg_dump');
	command_ok([ 'pg_restore', '--exit-on-error', '-d', $to->connstr('postgres'), "$dir/dump" ], 'pg_restore');
	# events and waits of the new server may come before anything is read
	set_enabled($to, 'off');
	is($to->safe_psql('postgres', "SELECT count(*) FROM jadugar.adopt($o{args})"), '0', 'adopt()');
	return;
}

my $a = server('a', 5000);

create_extension($a);
set_enabled($a, 'off');
publish($a, 'before', 1, 40);
wait_for($a, 'old', 1, 40);
publish($a, 'a', 1, 10);
is($a->safe_psql('postgres', 'SELECT (SELECT count(*) FROM jadugar_internal.event_cursor), (SELECT count(*) FROM jadugar_internal.flow_wait_start)'),
	'0|40', 'the dump has waits that no cursor has passed');

foreach my $ids (0, 20000)
{
	my $b = server("b$ids", $ids);

	restore($a, $b, args => '');
	wait_for($b, 'new', 1, 10);
	publish($b, 'b', 11, 20);
	set_enabled($b, 'on');
	ok(poll($b, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '30'), "$ids: the events of both servers are read");
	is(got($b, 'old'), 'completed a 10, completed b 10, running 20', "$ids: each wait has got the event that came after it");
	is(got($b, 'new'), 'running 10', "$ids: a wait of the new server has got none of the old one");
	publish($b, 'b', 1, 10);
	ok(poll($b, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '20'), "$ids: but those of its own");
	is(got($b, 'new'), 'completed b 10', "$ids: all of them");
	ok(poll($b, q{SELECT count(*) FROM jadugar_internal.flow_wait_start}, '0'), "$ids: no start is left");
	is($b->safe_psql('postgres', q{SELECT era, base_xmax IS NOT NULL OR after_id > 0 FROM jadugar_internal.event_cursor}), '2|t', "$ids: the cursor is in the new era");

	# and from there, with a cursor, to a third one
	set_enabled($b, 'off');
	publish($b, 'b', 21, 25);
	my $c = server("c$ids", 10000);

	restore($b, $c, args => '');
	publish($c, 'c', 26, 30);
	set_enabled($c, 'on');
	ok(poll($c, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '10'), "$ids: a third server goes on");
	is(got($c, 'old'), 'completed a 10, completed b 15, completed c 5, running 10', "$ids: with the events of all three");
	$b->stop;
	$c->stop;
}

# aborted or paused with adopt()
my $d = server('d', 100);

restore($a, $d, args => q{pending => 'cancel'});
set_enabled($d, 'on');
ok(poll($d, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '0'), 'cancelled: all runs end');
is(got($d, 'old'), 'cancelled 40', 'cancelled: without their events');
ok(poll($d, q{SELECT (SELECT count(*) FROM jadugar_internal.event_cursor), (SELECT count(*) FROM jadugar_internal.flow_wait_start)}, '0|0'), 'cancelled: nothing is left');

my $e = server('e', 100);

restore($a, $e, args => q{pending => 'pause'});
set_enabled($e, 'on');
ok(poll($e, q{SELECT count(*) FROM jadugar.flow_runs WHERE finished_at IS NULL}, '30'), 'paused: waits take their events');
$_->stop foreach $a, $d, $e;
done_testing();
