# Load: producers that enqueue tasks of every kind and publish events, consumers that
# fetch events, operators that change tasks and subscriptions, and one that keeps old
# snapshots.
#
# Each is a forked process that feeds psql with small transactions until a stop
# file appears.  It keeps its own ledger, in files and not in the database.  Before
# a transaction runs, we write its plan (PREFIX.plan).  While it runs, psql writes
# its progress (PREFIX.done):
#
#	com TXN		COMMIT (or PREPARE TRANSACTION) is about to be sent
#	ack TXN		the server has confirmed the commit
#	undo TXN	the server has confirmed the rollback
#
# From these, read_ledger() decides for each task and event whether it must exist (acked),
# must not (undone), or may (unknown: the connection was lost in COMMIT; maybe:
# a unique key may have made it another task's).
package Load;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;
use POSIX qw(_exit :sys_wait_h);
use Time::HiRes qw(usleep);

our @EXPORT = qw(start_load stop_load read_ledger note_outcome run_psql chance pick);

# children of this process, which end with it
my %children;

END
{
	kill('TERM', keys %children);
}

my %kinds = (
	plain => \&plain, several => \&several, failing => \&failing, snoozing => \&snoozing,
	subxacts => \&subxacts, handlers => \&handlers, standalone => \&standalone,
	isolated => \&isolated, chain => \&chain, fan => \&fan, cancelled_chain => \&cancelled_chain,
	unique => \&unique, keyed => \&keyed, limited => \&limited, bounded => \&bounded,
	overrun => \&overrun, deadline => \&deadline, deadlock => \&deadlock, bad_commit => \&bad_commit,
	no_commit => \&no_commit, session => \&session, batch => \&batch, later => \&later, nested => \&nested,
	silent => \&silent, conflict => \&conflict, flows => \&flows, waiting => \&waiting,
	converting => \&converting, backlog => \&backlog, fused => \&fused, events => \&events,
	successor => \&successor, messages => \&messages, quota => \&quota,
	requests => \&requests);

# plan(TXN, TAG, OPTIONS): a line of the plan, see task().  The tenant is that of the
# transaction, if the task has none.
sub plan
{
	my ($txn, $tag, %o) = @_;
	my ($tenant) = map { /^tenant => '(.*)'$/ } @{ $o{args} // [] };

	push @{ $txn->{plan} },
	  join("\t", $tag, $txn->{id}, $o{kind} // 'once',
		'{' . join(',', map { "$txn->{id}.$_" } @{ $o{parents} // [] }) . '}', $tenant // $txn->{tenant} // '\\N', $o{fate} // '');
	return;
}

# task(TXN, NAME, OPTIONS): one task of the transaction.  Options: kind, which
# Prove.pm checks (once, none or some effects; or a name of its own), parents
# (names of others of the transaction), command, payload (additional JSON members),
# args (of enqueue), fate (where the ledger cannot decide).
sub task
{
	my ($txn, $name, %o) = @_;
	my $tag = "$txn->{id}.$name";
	my $command = $o{command} // 'SELECT torture.work($1)';
	my $payload = "{\"tag\": \"$tag\"" . ($o{payload} ? ", $o{payload}" : '') . '}';
	my $args = join('', map { ", $_" } @{ $o{args} // [] });

	plan($txn, $tag, %o);
	if ($o{parents})
	{
		$args .= ', depends_on => ARRAY[' . join(', ', map { ":$_" } @{ $o{parents} }) . ']';
	}
	push @{ $txn->{sql} }, "SELECT jadugar.enqueue(\$\$$command\$\$, '$payload'$args) AS $name \\gset";
	return;
}

sub chance
{
	my ($p) = @_;

	return rand() < $p;
}

sub pick
{
	my (@of) = @_;

	return $of[ rand @of ];
}

my $retry = q(retry => '{"max_attempts": 5, "delay": 0.02}');

sub plain { my ($t) = @_; task($t, "a$_") for 1 .. 1 + int(rand(8)); return; }

sub several
{
	my ($t) = @_;

	task($t, 'a', command => 'SELECT 1; SELECT 2', kind => 'none');
	task($t, 'b', command => 'INSERT INTO torture.effect SELECT $1->>\'tag\', task_id, attempt, 0, NULL, clock_timestamp(), clock_timestamp() FROM jadugar.current_task()');
	return;
}

sub failing
{
	my ($t) = @_;

	task($t, "a$_", payload => '"fail": ' . int(rand(4)), args => [$retry]) for 1 .. 3;
	task($t, 'b', payload => '"fail": 99', args => [q(retry => '{"max_attempts": 2, "delay": 0.01}')]);
	task($t, 'c', payload => '"discard": true');
	return;
}

sub snoozing { my ($t) = @_; task($t, "a$_", payload => '"snooze": true') for 1 .. 3; return; }

sub subxacts { my ($t) = @_; task($t, "a$_", payload => '"subxacts": ' . int(rand(90))) for 1 .. 3; return; }

sub handlers
{
	my ($t) = @_;

	task($t, 'a', kind => 'hooked', command => 'torture_function');
	task($t, 'b', command => 'torture_sql', payload => '"fail": ' . int(rand(2)), args => [$retry]);
	task($t, 'c', command => 'torture_c', kind => 'none');
	return;
}

sub standalone
{
	my ($t) = @_;
	my $retry = q(retry => '{"max_attempts": 4, "delay": 0.02}');

	if (chance(0.6))
	{
		task($t, 'a', command => 'CALL torture.walk($1)', kind => 'some', args => [$retry]);
	}
	elsif (chance(0.5))
	{
		task($t, 'a', command => 'VACUUM torture.noise', kind => 'none');
	}
	else
	{
		my $index = $t->{id} =~ tr/./_/r;
		task($t, 'a', command => "CREATE INDEX CONCURRENTLY i$index ON torture.big (n)", kind => 'none');
	}
	return;
}

sub isolated
{
	my ($t) = @_;

	task($t, 'a', args => [q(transaction => 'repeatable read'), $retry]);
	task($t, 'b', kind => 'count', payload => '"count": true', args => [q(transaction => 'serializable'), $retry]);
	task($t, 'c', args => ['isolate => true']);
	task($t, 'd', args => [q(queue => 'isolated')]);
	return;
}

sub chain
{
	my ($t) = @_;
	my $last;

	foreach my $name ('a' .. 'd')
	{
		task($t, $name, $last ? (parents => [$last]) : (), payload => '"fail": ' . int(rand(1.3)), args => [$retry]);
		$last = $name;
	}
	return;
}

sub fan
{
	my ($t) = @_;

	task($t, $_, payload => '"sleep": ' . rand(0.02)) for 'a' .. 'd';
	task($t, 'e', parents => [ 'a' .. 'd' ], args => [q(concurrency_key => 'fan')]);
	task($t, 'f', parents => [ 'a', 'e' ], args => [q(delay => '10 milliseconds')]);
	return;
}

# tasks that depend on a task that fails permanently
sub cancelled_chain
{
	my ($t) = @_;

	task($t, 'a', payload => '"fail": 99', args => [q(retry => '{"max_attempts": 2, "delay": 0.01}')]);
	task($t, 'b', parents => ['a']);
	task($t, 'c', parents => ['b']);
	task($t, 'd', kind => 'anyway', parents => ['a'], args => [q(on_dependency_failure => 'run')]);
	return;
}

sub unique
{
	my ($t) = @_;
	my $key = int(rand(3));
	my $conflict = pick(qw(return replace reschedule error));

	task($t, 'a', fate => 'maybe', payload => '"sleep": ' . rand(0.02),
		args => [ "unique_key => 'u$key'", "on_conflict => '$conflict'", chance(0.5) ? q(delay => '20 milliseconds') : () ]);
	return;
}

# At most one task of a unique key runs, and one waits for its end.
sub successor
{
	my ($t) = @_;
	my $key = int(rand(3));

	task($t, "a$_", fate => 'maybe', payload => "\"lane\": \"next $key $t->{role}\", \"sleep\": " . rand(0.02) . ', "fail": ' . int(rand(1.2)),
		args => [ "unique_key => 'n$key'", q(on_conflict => 'next'), $retry ])
	  for 1 .. 2;
	return;
}

sub keyed
{
	my ($t) = @_;
	my $key = pick(qw(one two three));

	task($t, "a$_", payload => "\"lane\": \"$key $t->{role}\", \"sleep\": " . rand(0.01) . ', "fail": ' . int(rand(1.2)),
		args => [ "concurrency_key => '$key'", $retry, chance(0.2) ? q(delay => '20 milliseconds') : () ])
	  for 1 .. 3;
	return;
}

# Tasks with several limits of those in limits.sql, which name them to torture.work().
sub limited
{
	my ($t) = @_;

	foreach my $n (1 .. 4)
	{
		my @within = ('owner carol');
		my @args = ($retry);
		my $take = sub {
			my ($scope, $arg, @names) = @_;
			my $name = pick(@names);

			push @within, "$scope $name";
			push @args, "$arg => '$name'" if $arg;
			return $name;
		};
		my $handler = chance(0.5) ? $take->('handler', '', qw(torture_limited torture_paced torture_sometimes)) : undef;

		$take->('queue', 'queue', qw(two two paced)) if chance(0.5);
		$take->('tenant', 'tenant', qw(gold silver label)) if chance(0.4);
		$take->('key', 'concurrency_key', qw(three paced)) if chance(0.2);
		task($t, "a$n", $handler ? (command => $handler) : (), args => \@args,
			payload => '"within": ["' . join('", "', @within) . '"], "sleep": ' . rand(0.03) . ', "fail": ' . int(rand(1.2)));
	}
	return;
}

# Tenants with quotas, which refuse some.
sub quota
{
	my ($t) = @_;
	my $tenant = pick(qw(bronze bronze copper));

	task($t, "a$_", args => [ "tenant => '$tenant'", 'priority => ' . int(rand(3)) ]) for 1 .. 1 + int(rand(4));
	return;
}

# Requests to a service, which answers as the path says: requests.sql.
sub requests
{
	my ($t) = @_;

	for (1 .. 1 + int(rand(5)))
	{
		my $tag = "$t->{id}.h" . ++$t->{requests};
		my $path = pick('/ok', '/ok', '/ok', '/after/' . sprintf('%.3f', rand(0.1)), '/fail/' . pick(1, 2), '/status/404', '/hang', '/retry/429?in=1');
		my $more = $path eq '/hang' ? ', "timeout": "0.1 s"' : chance(0.1) ? ', "when_open": "fail"' : '';
		my @args = ($path =~ /hang|retry/ ? q(retry => '{"max_attempts": 2, "delay": 0.02}') : $retry);

		$path =~ s/\?(.*)//;
		my ($name, $value) = $path =~ m{^/retry} ? ('in', 1) : ('id', $tag);
		push @args, "concurrency_key => 'outside'" if chance(0.1);
		push @args, "queue => 'two'" if chance(0.1);
		plan($t, $tag, kind => 'none');
		push @{ $t->{sql} }, "SELECT jadugar.enqueue('http', '{\"endpoint\": \"outside\", \"path\": \"$path\", \"query\": {\"tag\": \"$tag\", \"$name\": \"$value\"}$more}', "
		  . join(', ', @args) . ') \\gset';
	}
	return;
}

# Messages to actors: limits.sql.
sub messages
{
	my ($t) = @_;

	for (1 .. 1 + int(rand(6)))
	{
		my $actor = pick(qw(tally tally strict brief));
		my $key = 'k' . int(rand(4));
		my $tag = "$t->{id}.x" . ++$t->{messages};
		my $more = chance(0.2) ? ', "fail": ' . pick(1, 1, 99) : chance(0.05) ? ', "forget": true' : '';

		plan($t, $tag);
		push @{ $t->{sql} }, "SELECT torture.send('$tag', '$actor', '$key', '{\"sleep\": " . rand(0.01) . "$more}', "
		  . (chance(0.1) ? "'20 ms'" : 'NULL') . ');';
	}
	return;
}

sub bounded
{
	my ($t) = @_;
	my $queue = pick(qw(reject block drop));

	task($t, "a$_", payload => '"sleep": ' . rand(0.01), args => ["queue => '$queue'"]) for 1 .. 1 + int(rand(4));
	return;
}

# a fast command that is slow once
# Many wait for one key.  A paused retry gives up its place and gets it back.
sub backlog
{
	my ($t) = @_;

	task($t, "a$_", payload => "\"lane\": \"deep $t->{role}\", \"fail\": " . int(rand(1.1)), args => [ q(concurrency_key => 'deep'), $retry ])
	  for 1 .. 40;
	push @{ $t->{sql} }, 'SELECT jadugar.pause_task(:a7);', 'SELECT jadugar.resume_task(:a7);';
	return;
}

# Tasks that handle their own lock_timeout.
sub waiting { my ($t) = @_; task($t, "a$_", payload => '"gate": ' . rand(0.03)) for 1 .. 3; return; }

# Tasks that turn a cancel, also that of a preemption, into another error.
sub converting
{
	my ($t) = @_;

	task($t, "a$_", payload => $_ == 3 ? '"convert": ' . rand(0.15) : '"convert": 0', args => [$retry]) for 1 .. 6;
	return;
}

# A command that does not fail for long, and then does.
sub fused
{
	my ($t) = @_;
	my $bad = 20 + int(rand(20));

	task($t, "a$_", command => 'SELECT /* fused */ torture.work($1)', payload => $_ == $bad ? '"fail": 1' : '"fail": 0', args => [$retry]) for 1 .. 40;
	return;
}

sub overrun { my ($t) = @_; task($t, "a$_", payload => $_ == 3 ? '"sleep": ' . rand(0.15) : '"sleep": 0') for 1 .. 6; return; }

sub deadline
{
	my ($t) = @_;

	task($t, 'a', payload => '"stubborn": ' . pick('0', '0.6'),
		args => [ q(timeout => '100 milliseconds'), q(retry => '{"max_attempts": 2, "delay": 0.01}') ]);
	return;
}

sub deadlock
{
	my ($t) = @_;

	foreach my $n (1 .. 4)
	{
		my ($x, $y) = (1 + int(rand(4)), 1 + int(rand(4)));
		task($t, "a$n", kind => 'pair', payload => "\"deadlock\": [$x, $y]", args => [$retry]);
	}
	return;
}

sub bad_commit
{
	my ($t) = @_;

	task($t, "a$_", payload => "\"bad_commit\": $_", args => [q(retry => '{"max_attempts": 3, "delay": 0.01, "retry_on": ["23503", "40"]}')])
	  for 0 .. 2;
	return;
}

sub no_commit
{
	my ($t) = @_;

	task($t, "a$_", payload => '"no_commit": ' . pick(0, 1, 2), args => [q(retry => '{"max_attempts": 3, "delay": 0.01, "retry_on": ["0A000", "40"]}')])
	  for 1 .. 3;
	return;
}

sub session { my ($t) = @_; task($t, "a$_", payload => '"session": true, "log": true') for 1 .. 2; return; }

# many of one command, which share a group
sub batch
{
	my ($t) = @_;
	my $n = 10 + int(rand(60));

	plan($t, "$t->{id}.a$_") foreach 1 .. $n;
	push @{ $t->{sql} },
	  "SELECT count(*) FROM (SELECT jadugar.enqueue_batch('SELECT torture.work(\$1)', array_agg(jsonb_build_object('tag', '$t->{id}.a' || n))) FROM generate_series(1, $n) n) b \\gset";
	return;
}

sub later { my ($t) = @_; task($t, "a$_", args => [ "delay => '" . int(rand(300)) . " milliseconds'" ]) for 1 .. 3; return; }

sub nested { my ($t) = @_; task($t, 'a', kind => 'nested', payload => '"more": true, "fail": ' . int(rand(2)), args => [$retry]); return; }

sub silent
{
	my ($t) = @_;

	task($t, 'a', kind => 'silent', args => [q(queue => 'silent')]);
	task($t, 'b', kind => 'silent', args => [q(queue => 'failures')]);
	task($t, 'c', parents => [ 'a', 'b' ]);
	return;
}

# serializable tasks that conflict with each other
sub conflict
{
	my ($t) = @_;

	task($t, "a$_", kind => 'count', payload => '"count": true', args => [ q(transaction => 'serializable'), $retry ]) for 1 .. 2;
	return;
}

# Flows of any kind: flows.sql, which keeps their ledger in the same transaction.
sub flows
{
	my ($t) = @_;

	push @{ $t->{sql} }, "SELECT flowtest.start('$t->{id}.f$_', " . int(rand(1000)) . ');' foreach 1 .. 6;
	return;
}

# event(TXN, NAME, DATA): publishes one event of the transaction, with one of a few
# keys.
sub event
{
	my ($t, $name, $data) = @_;
	my $key = $data =~ /dead/ ? "'$t->{id}.$name'" : chance(0.1) ? 'NULL' : "'k" . int(rand(12)) . "'";

	plan($t, "$t->{id}.$name", kind => 'event');
	push @{ $t->{sql} }, "SELECT torture.publish('$t->{id}.$name', $key, '$data');";
	return;
}

# Events, some of which make a handler publish others or are given up: events.sql.
sub events
{
	my ($t) = @_;

	for (1 .. 1 + int(rand(6)))
	{
		my $data = chance(0.2) ? '"more": ' . pick(1, 2) : chance(0.05) ? '"dead": "' . pick(qw(three park out)) . '"' : chance(0.05) ? '"no_commit": true' : '';

		event($t, 'e' . ++$t->{events}, "{$data}");
	}
	if (chance(0.1))
	{
		my $n = 1 + int(rand(60));
		my $tag = "$t->{id}.m" . ++$t->{events} . '.';

		plan($t, "$tag$_", kind => 'event') foreach 1 .. $n;
		push @{ $t->{sql} }, "SELECT torture.publish_many('$tag', $n);";
	}
	return;
}

# One transaction as a psql script, and its plan.
sub transaction
{
	my ($id, $role) = @_;
	my $t = { id => $id, role => $role, sql => [], plan => [], tenant => chance(0.3) ? pick(qw(gold silver label)) : undef };
	my $how = rand();
	my $out = "BEGIN;\n" . ($t->{tenant} ? "SET LOCAL jadugar.tenant = '$t->{tenant}';\n" : '');

	$kinds{ pick(sort keys %kinds) }->($t);
	# tasks, events, messages and requests, or none
	events($t) if chance(0.3);
	messages($t) if chance(0.2);
	requests($t) if chance(0.2);
	$out .= join("\n", @{ $t->{sql} }) . "\n";
	if ($how < 0.08)
	{
		$out .= "ROLLBACK;\n";
	}
	elsif ($how < 0.14)
	{
		# a part of it is rolled back
		my $part = { id => "$id.part", role => $role, sql => [], plan => [], tenant => $t->{tenant} };

		pick(\&plain, \&events)->($part);
		$out .= "SAVEPOINT s;\n" . join("\n", @{ $part->{sql} }) . "\nROLLBACK TO SAVEPOINT s;\n";
		push @{ $t->{plan} }, map { $_ . 'undone' } @{ $part->{plan} };
		$out .= "\\echo com $id\nCOMMIT;\n\\echo ack $id\n";
	}
	elsif ($how < 0.22)
	{
		my $end = pick("COMMIT PREPARED '$id';\n\\echo ack $id", "ROLLBACK PREPARED '$id';\n\\echo undo $id", '');

		$out .= "\\echo com $id\nPREPARE TRANSACTION '$id';\n$end\n";
	}
	else
	{
		$out .= "\\echo com $id\nCOMMIT;\n\\echo ack $id\n";
	}
	return ($out, $t->{plan});
}

# Changes of an operator to existing tasks.  A paused standalone command would run
# twice without leaving an attempt, so it is left out.  Messages stay in their order.
my @meddling = (
	q(SELECT count(jadugar.cancel(task_id)) FROM (SELECT task_id FROM jadugar_internal.task ORDER BY random() LIMIT 2) t),
	q(SELECT count(jadugar.cancel(task_id)) FROM (SELECT task_id FROM jadugar.running LIMIT 1) t),
	q(SELECT jadugar.pause_task(task_id) FROM (SELECT task_id FROM jadugar_internal.task WHERE state <> 'p' AND transaction <> 'x' AND NOT payload ? 'message' ORDER BY random() LIMIT 2) t),
	q(SELECT jadugar.resume_task(task_id) FROM (SELECT task_id FROM jadugar_internal.task WHERE state = 'p' LIMIT 3) t),
	q(WITH r AS (INSERT INTO torture.retried SELECT task_id FROM jadugar.failures WHERE schedule IS NULL AND queue IN ('default', 'two', 'isolated')
			AND task_id NOT IN (SELECT task_id FROM jadugar_internal.attempt WHERE flow_run IS NOT NULL) ORDER BY random() LIMIT 2 RETURNING task_id)
		SELECT jadugar.retry_task(task_id) FROM r),
	q(SELECT jadugar.update_task(task_id, priority => 5) FROM (SELECT task_id FROM jadugar_internal.task WHERE state IN ('s', 'r') AND NOT payload ? 'message' ORDER BY random() LIMIT 2) t),
	q(SELECT jadugar.run_now('parallel', owner => 'alice')),
	q(INSERT INTO torture.witness SELECT 'deeper than allowed', name || ' ' || ready + scheduled + running + waiting + paused_tasks
		FROM jadugar.queues WHERE ready + scheduled + running + waiting + paused_tasks > max_depth),
	q(INSERT INTO torture.witness SELECT 'more at a time than allowed', string_agg(r::text, ' ') FROM jadugar.running r
		WHERE queue = 'two' AND phase = 'running' HAVING count(*) > 2),
	q(INSERT INTO torture.witness SELECT 'more tasks than the quota allows', name || ' ' || unfinished FROM jadugar.tenants WHERE unfinished > max_tasks + 20),
	q(SELECT jadugar.abort_flow(run_id) FROM (SELECT run_id FROM jadugar_internal.flow_run WHERE finished_at IS NULL ORDER BY random() LIMIT 1) r),
	q(SELECT jadugar.pause_flow(run_id) FROM (SELECT run_id FROM jadugar_internal.flow_run WHERE finished_at IS NULL ORDER BY random() LIMIT 2) r),
	q(SELECT jadugar.resume_flow(run_id) FROM (SELECT run_id FROM jadugar_internal.flow_run WHERE paused_at IS NOT NULL AND finished_at IS NULL LIMIT 2) r),
	q(SELECT jadugar.retry_step(run_id, step, step_id) FROM (SELECT * FROM jadugar.flow_steps WHERE status IN ('failed', 'compensation_failed') AND kind = 'step' ORDER BY random() LIMIT 2) s),
	q(INSERT INTO flowtest.problem SELECT * FROM jadugar.check_flows()),
	q(SELECT count(*) FROM jadugar.tasks),
	q(SELECT count(*) FROM jadugar.running),
	q(BEGIN; SELECT jadugar.cancel(task_id) FROM (SELECT task_id FROM jadugar_internal.task ORDER BY random() LIMIT 1) t; ROLLBACK));

# Changes of an operator to subscriptions, limits and actors: events.sql, limits.sql.
my @steering = (
	q(SELECT torture.steer_limits()),
	q(SELECT torture.steer_actors()),
	q(SELECT torture.reshard()),
	q(SELECT torture.replay()),
	q(SELECT torture.redrive()),
	q(SELECT jadugar.redrive(subscription, key => key, owner => owner) FROM jadugar.dead_letters WHERE subscription ~ 'redriven' AND state = 'dead' ORDER BY random() LIMIT 1),
	q(SELECT torture.discard()),
	q(SELECT jadugar.pause_subscription(name, owner => owner) FROM jadugar.subscriptions ORDER BY random() LIMIT 1),
	q(SELECT jadugar.resume_subscription(name, owner => owner) FROM jadugar.subscriptions WHERE paused_at IS NOT NULL));

# Runs a script as a role, and kills psql after some seconds, if they are given.  The
# session may go on.
sub run_psql
{
	my ($o, $role, $script, $out, $seconds) = @_;
	my $kill = $seconds ? "timeout -s KILL $seconds " : '';
	my $file = "$o->{prefix}.sql";
	my $connstr = do { local (@ARGV, $/) = ($o->{connstr_file}); <> };

	open(my $f, '>', $file) or die "$file: $!";
	print $f $script;
	close($f);
	my $rc = system("PGOPTIONS='-c statement_timeout=$o->{statement_timeout} -c lock_timeout=2s' ${kill}psql -X -q -v ON_ERROR_STOP=1 -d \"$connstr dbname=postgres user=$role\" -f $file >> $out 2>> $o->{prefix}.err");
	# the server may be down
	usleep(50_000) if $rc != 0;    # waits-for-time: no need to hurry
	return;
}

sub produce
{
	my ($o) = @_;
	my $n = 0;

	until (-e $o->{stop})
	{
		my $role = pick(qw(alice bob carol));
		my $script = $role eq 'carol' ? "SET default_transaction_read_only = off;\n" : '';
		my @plan;

		for (1 .. 1 + int(rand(6)))
		{
			my ($sql, $plan) = transaction("$o->{id}." . $n++, $role);

			$script .= $sql;
			push @plan, @$plan;
		}
		open(my $f, '>>', "$o->{prefix}.plan") or die "plan: $!";
		print $f "$_\n" foreach @plan;
		close($f);
		run_psql($o, $role, $script, "$o->{prefix}.done");
		usleep($o->{pause});    # waits-for-time: leaves the processor to the workers
	}
	return;
}

sub meddle
{
	my ($o, @what) = @_;

	until (-e $o->{stop})
	{
		run_psql($o, 'postgres', pick(@what) . ";\n", '/dev/null');
		usleep(20_000 + rand(60_000));    # waits-for-time: leaves the processor to the workers
	}
	return;
}

# A consumer: leases events and handles them, in one transaction or in two.
sub consuming
{
	my ($o, $n) = @_;
	my $settle = "\\if :found\nSELECT torture.settle(:'name', :'token', :'given');\n\\endif\n";
	my $fetch = sub {
		my ($ack) = @_;

		return "SELECT *, token <> '' AS found, token <> '' AND NOT given \@> jsonb_build_array(jsonb_build_object('dead', :'name'::text)) AS plain\nFROM torture.fetch(:'name', '$o->{id}'" . ($ack ? ", ack => :'token'" : '') . ") \\gset\n";
	};
	my $begin = 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE') . ";\n";
	my $end = chance(0.7) ? "COMMIT;\n" : chance(0.5) ? "ROLLBACK;\n"
	  : "PREPARE TRANSACTION '$o->{id}.$n';\n" . (chance(0.2) ? '' : pick('COMMIT', 'ROLLBACK') . " PREPARED '$o->{id}.$n';\n");
	# waits-for-time: longer than the lease, or shorter
	my $pause = chance(0.3) ? sprintf("SELECT pg_sleep(%.3f);\n", rand(0.6)) : '';
	my $out = "SELECT name FROM torture.subscription WHERE delivery = 'fetch' AND owner = current_user ORDER BY random() LIMIT 1 \\gset\n";

	$out .= "CALL jadugar.wait_events(:'name', '100 ms');\n" if chance(0.3);
	return $out . $begin . $fetch->() . $pause . $settle . $end if chance(0.4);
	return $out . $fetch->() . $pause . $begin . $settle . $end if chance(0.6);
	# each fetch acknowledges the events of the one before
	$out .= $fetch->();
	foreach (1 .. 3)
	{
		$out .= $pause . "\\if :plain\n" . $begin . "SELECT torture.note(:'name', e) FROM jsonb_array_elements(:'given') e;\n" . $fetch->(1) . $end . "\\endif\n";
	}
	return $out . $settle;
}

# Some consumers are killed.
sub consume
{
	my ($o) = @_;
	my $n = 0;

	until (-e $o->{stop})
	{
		run_psql($o, pick(qw(alice bob)), join('', map { consuming($o, $n++) } 1 .. 1 + int(rand(5))), '/dev/null', chance(0.3) ? 0.05 + rand(0.5) : 0);
		usleep($o->{pause});    # waits-for-time: leaves the processor to the workers
	}
	return;
}

# Old snapshots, which keep dead rows and index entries.
sub hold
{
	my ($o) = @_;

	until (-e $o->{stop})
	{
		# waits-for-time: how long the snapshot is kept
		run_psql($o, 'postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM torture.effect; SELECT pg_sleep(' . rand(2) . "); COMMIT;\n",
			'/dev/null');
		usleep(rand(500_000));    # waits-for-time: until the next one
	}
	return;
}

# start_load(DIR, ROUND, SEED, CONNSTR_FILE, OPTIONS): forks them.  more => [ CODE, ... ]:
# others, which get what a producer gets.
sub start_load
{
	my ($dir, $round, $seed, $connstr_file, %o) = @_;
	my $load = { stop => "$dir/stop", dir => $dir, round => $round, pids => [] };

	unlink($load->{stop}, glob("$dir/load.*"));
	my @who = (sub { meddle(@_, @meddling) }, sub { meddle(@_, @steering) }, \&hold, \&consume, \&consume, (\&produce) x ($o{producers} // 3), @{ $o{more} // [] });

	foreach my $n (0 .. $#who)
	{
		my $pid = fork() // die "fork: $!";

		if ($pid)
		{
			push @{ $load->{pids} }, $pid;
			$children{$pid} = 1;
			next;
		}
		srand($seed * 1000 + $round * 20 + $n);
		my %me = (id => "r$round.p$n", prefix => "$dir/load.$n", stop => $load->{stop},
			connstr_file => $connstr_file, statement_timeout => $o{statement_timeout} // 5000,
			pause => $o{pause} // 10_000);
		my $rc = eval {
			$who[$n]->(\%me);
			1;
		};
		print STDERR $@ if !$rc;
		_exit($rc ? 0 : 1);
	}
	return $load;
}

sub stop_load
{
	my ($load) = @_;

	open(my $f, '>', $load->{stop}) or die "stop: $!";
	close($f);
	foreach my $pid (@{ $load->{pids} })
	{
		poll_sub('the producers end', sub { return waitpid($pid, WNOHANG) != 0; }) or die 'a producer hangs';
		delete $children{$pid};
		die 'a producer died' if $?;
	}
	$load->{pids} = [];
	return;
}

# The outcome of a transaction that another process has ended: ack or undo.
sub note_outcome
{
	my ($load, $what, $txn) = @_;

	open(my $f, '>>', "$load->{dir}/load.x.done") or die "done: $!";
	print $f "$what $txn\n";
	close($f);
	return;
}

# The ledger as text for COPY torture.ledger.
sub read_ledger
{
	my ($load) = @_;
	my (%state, $out);

	$out = '';
	foreach my $file (glob("$load->{dir}/load.*.done"))
	{
		open(my $f, '<', $file) or die "$file: $!";
		while (<$f>)
		{
			my ($what, $txn) = /^(com|ack|undo) (\S+)$/ or next;
			$state{$txn}{$what} = 1;
		}
		close($f);
	}
	foreach my $file (glob("$load->{dir}/load.*.plan"))
	{
		open(my $f, '<', $file) or die "$file: $!";
		while (<$f>)
		{
			chomp;
			my ($tag, $txn, $kind, $parents, $tenant, $fate) = split /\t/, $_, -1;
			my $s = $state{ $txn =~ s/\.part$//r } // {};
			my $was = $fate eq 'undone' || $s->{undo} || !$s->{com} ? 'undone' : $s->{ack} ? 'acked' : 'unknown';
			$was = 'maybe' if $fate eq 'maybe' && $was ne 'undone';
			$out .= join("\t", $tag, $txn, $kind, $parents, $was, $tenant) . "\n";
		}
		close($f);
	}
	return $out;
}

1;
