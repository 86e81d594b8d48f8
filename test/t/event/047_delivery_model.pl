# Random publishers beside subscriptions of every kind.  Afterwards each committed
# event was handled exactly once by each subscription that it is for, one that was
# rolled back by none, and the events of a key in their order.  Meanwhile the numbers
# of shards change, an old snapshot and a transaction of another database stay open,
# and topics begin new partitions, so that windows cover several.
#
# JADUGAR_SEED repeats a run, as far as the timing does; JADUGAR_ROUNDS makes it
# longer (transactions of each writer).
use strict;
use warnings;

use IPC::Run;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{JADUGAR_SEED} // 20261;
my $rounds = $ENV{JADUGAR_ROUNDS} // 50;
my $writers = 5;

note("JADUGAR_SEED=$seed JADUGAR_ROUNDS=$rounds");
srand($seed);

# in this build a window of more than 8 events is walked
my $node = new_cluster('main', -faults => 1,
	'jadugar.max_workers' => 6,
	max_prepared_transactions => 30,
	shared_buffers => '32MB');
create_extension($node);
$node->safe_psql('postgres', qq{
	CREATE SCHEMA app;
	CREATE SEQUENCE app.n;
	CREATE SEQUENCE app.turn;
	-- what was published, by the transaction that did it
	CREATE TABLE app.published (event_id bigint PRIMARY KEY, type text, key text, n bigint, xid xid8, seen pg_snapshot, depth int);
	CREATE TABLE app.handled (sub text, event_id bigint, shard int, turn bigint DEFAULT nextval('app.turn'));
	-- what a subscription is for
	CREATE TABLE app.sub (name text PRIMARY KEY, types text[], keys text[], divisor int NOT NULL DEFAULT 1, base pg_snapshot, chance float NOT NULL DEFAULT 0, ordered bool NOT NULL DEFAULT true);

	CREATE FUNCTION app.pub(type text, key text, depth int, topic text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS \$\$
	DECLARE
		s pg_snapshot := pg_current_snapshot();
		n bigint := nextval('app.n');
		id bigint;
	BEGIN
		id := jadugar.publish(type, jsonb_build_object('n', n, 'depth', depth), key, topic => topic);
		INSERT INTO app.published VALUES (id, type, key, n, pg_current_xact_id(), s, depth);
		RETURN id;
	END \$\$;
	CREATE FUNCTION app.pub_batch(type text, keys text[], topic text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE
		s pg_snapshot := pg_current_snapshot();
		n bigint[] := ARRAY(SELECT nextval('app.n') FROM unnest(keys));
	BEGIN
		INSERT INTO app.published SELECT b.id, type, keys[b.i], n[b.i], pg_current_xact_id(), s, 0
		FROM jadugar.publish_batch(type, ARRAY(SELECT jsonb_build_object('n', x, 'depth', 0) FROM unnest(n) WITH ORDINALITY u (x, i) ORDER BY i), keys, topic => topic)
			WITH ORDINALITY b (id, i);
	END \$\$;
	-- a consumer outside the server
	CREATE PROCEDURE app.consume(who text, rounds int) LANGUAGE plpgsql AS \$\$
	DECLARE
		f record;
	BEGIN
		FOR i IN 1 .. rounds LOOP
			SELECT max(token) AS token, max(shard) AS shard, array_agg((event).event_id ORDER BY n) AS ids INTO f
			FROM jadugar.fetch_events('fetch', who, max_rows => 1 + i % 10) WITH ORDINALITY f (token, shard, attempt, event, n);
			-- the effects are in the transaction of the lease, or in another one
			IF i % 3 = 0 THEN
				COMMIT;
			END IF;
			IF f.token IS NULL THEN
				-- waits-for-time: leaves the processor to the workers
				PERFORM pg_sleep(0.01);
			ELSIF i % 7 = 0 THEN
				PERFORM jadugar.nack(f.token, f.ids[1], 'meant to fail', retry_in => '1 ms');
			ELSE
				INSERT INTO app.handled SELECT 'fetch', unnest(f.ids), f.shard;
				PERFORM jadugar.ack(f.token);
			END IF;
			COMMIT;
		END LOOP;
	END \$\$;
	-- published and undone within a function
	CREATE FUNCTION app.pub_undone(type text, key text) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM app.pub(type, key, 0);
		RAISE EXCEPTION 'undone';
	EXCEPTION WHEN raise_exception THEN
		PERFORM app.pub(type, key, 0);
	END \$\$;

	CREATE FUNCTION app.wanted(s app.sub, p app.published) RETURNS boolean LANGUAGE sql STABLE AS \$\$
		SELECT (s.types IS NULL OR p.type = ANY (s.types)) AND (s.keys IS NULL OR (p.key IS NOT NULL AND p.key = ANY (s.keys))) AND p.n % s.divisor = 0
			AND (s.base IS NULL OR NOT pg_visible_in_snapshot(p.xid, s.base)) \$\$;

	-- Handlers write first, then fail in some of the first attempts.
	CREATE FUNCTION app.handle(e jadugar.event_info, who text) RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE
		c record := jadugar.current_event();
		d int := (e.data->>'depth')::int;
	BEGIN
		INSERT INTO app.handled VALUES (who, e.event_id, c.shard);
		IF who = 'now' AND d > 0 THEN
			PERFORM app.pub('m.child', CASE WHEN d % 2 = 0 THEN e.key ELSE 'k' || e.event_id % 20 END, d - 1);
		END IF;
		PERFORM app.fail(e.event_id, who, c.attempt);
	END \$\$;
	CREATE FUNCTION app.handle(e jadugar.event_info[], who text) RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE
		c record := jadugar.current_event();
	BEGIN
		INSERT INTO app.handled SELECT who, (u).event_id, c.shard FROM unnest(e) u;
		PERFORM app.fail((u).event_id, who, c.attempt) FROM unnest(e) u;
	END \$\$;
	CREATE FUNCTION app.fail(id bigint, who text, attempt int) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		IF (hashtextextended(who || attempt, id + $seed) & 1023) / 1024.0 < (SELECT chance FROM app.sub WHERE name = who) AND attempt < 6 THEN
			RAISE EXCEPTION 'attempt % of event %', attempt, id USING ERRCODE = '40001';
		END IF;
	END \$\$;
	SELECT jadugar.create_topic('model', roll => 'hour');
});

# subscribe(NAME, ARGUMENTS OF subscribe(), COLUMN => VALUE...): all in SQL
sub subscription
{
	my ($name, $args, %o) = @_;
	my $columns = join('', map { ", $_" } sort keys %o);
	my $values = join('', map { ", $o{$_}" } sort keys %o);

	my $handler = $args =~ /'fetch'/ ? 'NULL' : "'SELECT app.handle(\$1, ''$name'')'";

	return qq{
		INSERT INTO app.sub (name$columns) VALUES ('$name'$values);
		SELECT jadugar.subscribe('$name', '{m.*}', $handler, retry => '{"delay": 0.01}', max_attempts => 100, $args);
	};
}

$node->safe_psql('postgres', join('',
	subscription('now', 'shards => 1'),
	subscription('key', 'shards => 3', chance => 0.2),
	subscription('park', q{shards => 2, on_failure => 'park'}, chance => 0.2, ordered => 'false'),
	subscription('block', q{shards => 2, on_failure => 'block'}, chance => 0.1),
	subscription('batch', 'shards => 5, batch => 10', chance => 0.05),
	subscription('batch1', 'batch => 25', chance => 0.05),
	subscription('batchpark', q{batch => 4, on_failure => 'park'}, chance => 0.1, ordered => 'false'),
	subscription('batchblock', q{batch => 6, on_failure => 'block'}, chance => 0.02),
	subscription('task', q{shards => 2, delivery => 'task'}, chance => 0.1),
	subscription('fetch', q{shards => 3, delivery => 'fetch'}),
	subscription('paused', 'shards => 1'), q{SELECT jadugar.pause_subscription('paused');},
	subscription('filter', q{shards => 7, filter => '$.data.n % 3 == 0'}, divisor => 3),
	subscription('keys', q{keys => '{k1,k2,k3}', batch => 3}, keys => q{'{k1,k2,k3}'}, chance => 0.1)));

sub one_of
{
	return $_[ int(rand(@_)) ];
}

sub key
{
	return rand() < 0.1 ? 'NULL' : "'k" . int(rand(20)) . "'";
}

sub publishing
{
	my $type = one_of(qw(m.a m.b m.c));
	my $topic = one_of('NULL', q{'model'});
	my $what = rand();

	return "SELECT app.pub('$type', " . key() . ", 0, $topic);" if $what < 0.5;
	return "SELECT app.pub('$type', " . key() . ', ' . int(rand(4)) . ');' if $what < 0.7;
	return "SELECT app.pub_undone('$type', " . key() . ');' if $what < 0.8;
	return "SELECT app.pub_batch('$type', ARRAY[" . join(', ', map { key() } 1 .. 1 + rand(rand() < 0.1 ? 60 : 6)) . "], $topic);";
}

# One transaction.  Those that were prepared end some transactions later.
sub transaction
{
	my ($writer, $n, $prepared) = @_;
	my $level = one_of('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my $sql = "BEGIN ISOLATION LEVEL $level;\n";
	my $how = rand();

	for my $i (1 .. 1 + rand(4))
	{
		my $savepoint = rand() < 0.3;

		$sql .= "SAVEPOINT s$i;\n" if $savepoint;
		$sql .= publishing() . "\n";
		$sql .= one_of("ROLLBACK TO s$i;\n", "RELEASE s$i;\n", '') if $savepoint;
		# waits-for-time: transactions are to overlap
		$sql .= sprintf("SELECT pg_sleep(%.3f);\n", rand(0.01)) if rand() < 0.3;
	}
	# waits-for-time: some commit long after others
	$sql .= sprintf("SELECT pg_sleep(%.3f);\n", rand(0.7)) if rand() < 0.04;
	if ($how < 0.15)
	{
		push @$prepared, "w${writer}_$n";
		$sql .= "PREPARE TRANSACTION 'w${writer}_$n';\n";
	}
	else
	{
		$sql .= $how < 0.3 ? "ROLLBACK;\n" : "COMMIT;\n";
	}
	$sql .= one_of('COMMIT', 'COMMIT', 'ROLLBACK') . " PREPARED '" . shift(@$prepared) . "';\n"
	  if @$prepared > 2 || (@$prepared && rand() < 0.2);
	return $sql;
}

sub script
{
	my ($writer) = @_;
	my @prepared;
	my $sql = "SET client_min_messages = error;\n";

	$sql .= transaction($writer, $_, \@prepared) foreach 1 .. $rounds;
	$sql .= one_of('COMMIT', 'ROLLBACK') . " PREPARED '$_';\n" foreach @prepared;
	return $sql;
}

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$old->query_safe('SELECT count(*) FROM jadugar.events');
my $other = $node->background_psql('template1');
$other->query_safe('BEGIN');
$other->query_safe('SELECT pg_current_xact_id()');

my @run;
my $dir = PostgreSQL::Test::Utils::tempdir();

foreach my $w (0 .. $writers - 1)
{
	append_to_file("$dir/$w.sql", script($w));
	push @run, IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', "$dir/$w.sql" ], '>', '/dev/null', '2>', "$dir/$w.err");
}


# a clock that jumps ends leases
append_to_file("$dir/consume.sql", "CALL app.consume('c', 10);\n" x 20);
my @consumers = map { IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', "$dir/consume.sql" ], '>', '/dev/null', '2>', "$dir/consumer.$_") } 1 .. 2;


# while they write: subscriptions to what is there, and to what comes
$deadline = 60;
poll($node, 'SELECT count(*) > 100 FROM app.published');
$node->safe_psql('postgres', join('',
	subscription('beginning', q{start => 'beginning', shards => 4, batch => 7}, chance => 0.05),
	subscription('beginning1', q{start => 'beginning'})));
$node->safe_psql('postgres', 'BEGIN;'
	. q{SELECT app.pub('m.a', 'k1', 0);}
	. subscription('later', 'shards => 2', chance => 0.1)
	. q{SELECT app.pub('m.a', 'k1', 0);
	UPDATE app.sub SET base = concat(coalesce(c.base_xip[1], c.base_xmax), ':', c.base_xmax, ':', array_to_string(c.base_xip, ','))::pg_snapshot
	FROM jadugar_internal.subscription s JOIN jadugar_internal.event_cursor c USING (subscription_id)
	WHERE sub.name = 'later' AND s.name = 'later' AND c.shard = 0;
	COMMIT;});

# new partitions, some of which the subscription that is paused reads in one window
my $offset = 0;

sub next_partition
{
	my $leaves = q{SELECT count(*) FROM jadugar_internal.event_leaf JOIN jadugar_internal.topic USING (topic_id) WHERE name = 'model'};
	my $before = $node->safe_psql('postgres', $leaves);

	# an empty one goes on
	$node->safe_psql('postgres', q{SELECT app.pub('m.a', 'k1', 0, 'model')});
	$offset += 3600;
	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.clock_offset = $offset");
	$node->reload;
	return poll($node, "SELECT ($leaves) > $before");
}

# the number of shards of a subscription becomes 7, or 1 again
my @divided = qw(now key block batch task);

sub divide
{
	my ($name) = @_;

	$node->safe_psql('postgres', "SELECT jadugar.alter_subscription('$name', shards => CASE shards WHEN 7 THEN 1 ELSE 7 END) FROM jadugar.subscriptions WHERE name = '$name'");
	return poll($node, "SELECT new_shards IS NULL FROM jadugar.subscriptions WHERE name = '$name'");
}

foreach my $round (1 .. 2)
{
	ok(next_partition(), "round $round: the topic writes to another partition");
	is(scalar(grep { divide($_) } @divided), scalar(@divided), "round $round: each has another number of shards");
}
cmp_ok($node->safe_psql('postgres', q{
	SELECT count(DISTINCT leaf) FROM jadugar_internal.event e, jadugar_internal.event_cursor c JOIN jadugar_internal.subscription s USING (subscription_id)
	WHERE s.name = 'paused' AND type LIKE 'm.%' AND NOT (e.xid < base_xmax AND e.xid <> ALL (base_xip))}), '>=', 3,
	'the next window of a subscription covers several partitions');
$node->safe_psql('postgres', q{SELECT jadugar.resume_subscription('paused')});
$_->finish foreach @run;
$_->finish foreach @consumers;
is(join("\n", grep { !/the lease has ended|^DETAIL|^HINT|^CONTEXT|^SQL statement|^PL.pgSQL function|^$/ } map { s/^psql:[^ ]* //r } map { split /\n/, slurp_file("$dir/consumer.$_") } 1 .. 2), '',
	'consumers have met no errors but the end of a lease');

foreach my $w (0 .. $writers - 1)
{
	my @unexpected = grep { !/could not serialize|current transaction is aborted|prepared transaction with identifier .* does not exist|^HINT|^DETAIL|^\s*$/ } split(/\n/, slurp_file("$dir/$w.err"));

	is(join("\n", @unexpected), '', "writer $w has met no errors but those of its isolation level");
}

# children may still be published
my $expected = 'SELECT s.name AS sub, p.event_id FROM app.sub s JOIN app.published p ON app.wanted(s, p)';

$deadline = 60;
poll_sub('all are handled', sub {
	$node->safe_psql('postgres', q{CALL app.consume('last', 50)});
	return $node->safe_psql('postgres', qq{SELECT count(*) FROM (($expected) EXCEPT (SELECT sub, event_id FROM app.handled)) x}) eq '0';
}) or diag($node->safe_psql('postgres', qq{
	SELECT DISTINCT errors->-1->>'message' FROM jadugar.dead_letters LIMIT 10;
	SELECT sub, count(*), min(event_id), max(event_id) FROM (($expected) EXCEPT (SELECT sub, event_id FROM app.handled)) x GROUP BY 1;
	SELECT * FROM jadugar.subscription_shards WHERE status <> 'active' OR parked > 0;
	SELECT * FROM jadugar.dead_letters LIMIT 20;
	SELECT subscription_id, shard, base_xmax, base_xip, upto_xmax, upto_xip, after_id FROM jadugar_internal.event_cursor}));
poll($node, 'SELECT count(*) FROM jadugar_internal.parked', '0');

note('published: ' . $node->safe_psql('postgres', 'SELECT count(*) FROM app.published')
	  . ', handled: ' . $node->safe_psql('postgres', 'SELECT count(*) FROM app.handled'));
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT e.event_id), count(p.event_id) FROM jadugar.events e FULL JOIN app.published p USING (event_id)}),
	$node->safe_psql('postgres', 'SELECT count(*), count(*), count(*) FROM app.published'),
	'the log has what was committed');
is($node->safe_psql('postgres', 'SELECT sub, event_id, count(*), min(turn), max(turn) FROM app.handled GROUP BY 1, 2 HAVING count(*) > 1'), '',
	'nothing was handled twice');
is($node->safe_psql('postgres', qq{(SELECT sub, event_id FROM app.handled) EXCEPT ($expected)}), '',
	'nothing was handled that was rolled back, or by a subscription that it is not for');
is($node->safe_psql('postgres', q{
	SELECT s.name, a.key, a.event_id, b.event_id
	FROM app.sub s JOIN app.handled ha ON ha.sub = s.name JOIN app.published a ON a.event_id = ha.event_id
		JOIN app.published b ON b.key = a.key
		JOIN app.handled hb ON hb.sub = s.name AND hb.event_id = b.event_id
	WHERE s.ordered AND hb.turn < ha.turn AND (CASE WHEN a.xid = b.xid THEN a.event_id < b.event_id ELSE pg_visible_in_snapshot(a.xid, b.seen) END)
	LIMIT 20}), '', 'the events of a key were handled in their order');
is($node->safe_psql('postgres', q{
	SELECT sub, key, count(DISTINCT shard) FROM app.handled JOIN app.published USING (event_id)
	WHERE key IS NOT NULL AND sub NOT IN ('} . join(q(', '), @divided) . q{') GROUP BY 1, 2 HAVING count(DISTINCT shard) > 1}),
	'', 'a key has one shard');
is($node->safe_psql('postgres', q{
	SELECT s.name, s.handled, count(h.event_id) FROM jadugar.subscriptions s LEFT JOIN app.handled h ON h.sub = s.name GROUP BY 1, 2 HAVING s.handled <> count(h.event_id)}),
	'', 'the counts of the views are right');

$_->query_safe('ROLLBACK') foreach $old, $other;
$_->quit foreach $old, $other;
$node->stop;
done_testing();
