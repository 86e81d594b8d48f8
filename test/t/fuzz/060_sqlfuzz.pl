# Random calls of every function, as a role with level user: each succeeds or ends
# in an error for the caller.  None ends the connection, raises "internal error" or
# leaves a task undone.
#
#   make fuzz-sql FUZZ_SECONDS=600 [FUZZ_SEED=7]
#
# Without FUZZ_SECONDS a few rounds from a fixed seed.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{FUZZ_SECONDS};
my $seed = $ENV{FUZZ_SEED} // ($seconds ? time : 1);
my $batch = 400;

# Errors of the server itself, before or while the function runs, which a function
# of the server would raise in the same way.
my %expected = (
	'57014' => 'a call that waits is ended by statement_timeout',
	'25001' => 'a procedure that commits inside a transaction block',
	'22P02' => 'a literal that is invalid for its type');

srand($seed);
note("seed $seed");

my $node = new_cluster(
	'main',
	'jadugar.max_workers' => 4,
	log_min_error_statement => 'panic');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE fuzz LOGIN;
	CREATE ROLE other LOGIN;
	CREATE TABLE effect (n integer);
	GRANT ALL ON effect TO fuzz;
	SELECT jadugar.grant_access(r) FROM unnest('{fuzz, other}'::text[]) r;
	SELECT jadugar.create_queue('side'), jadugar.grant_queue('side', 'fuzz', 'enqueue');
	SELECT jadugar.register_sql_handler('work', 'SELECT 1'), jadugar.grant_handler('work', 'fuzz');
	SELECT jadugar.enqueue('SELECT 1', delay => '1 h', owner => o), jadugar.enqueue('SELECT 1', owner => o),
		jadugar.schedule('daily', '@daily', 'SELECT 1', owner => o) FROM unnest('{fuzz, other}'::text[]) o});

# name, kind, name and type of each argument; the number of required arguments
my @functions = map {
	my ($name, $kind, $required, $args) = split /\|/;
	{ name => $name, kind => $kind, required => $required, args => [ map { [ split /=/ ] } split /;/, $args // '' ] }
} split /\n/, $node->safe_psql('postgres', q{
	SELECT proname, prokind, pronargs - pronargdefaults,
		(SELECT string_agg(coalesce(proargnames[n], '') || '=' || format_type(t, NULL), ';' ORDER BY n)
			FROM unnest(proargtypes) WITH ORDINALITY a(t, n))
	FROM pg_proc p
	WHERE pronamespace = 'jadugar'::regnamespace AND has_function_privilege('fuzz', oid, 'EXECUTE')
		-- the server itself calls the others, with arguments of its own
		AND NOT 'internal'::regtype = ANY (proargtypes) AND NOT 'cstring'::regtype = ANY (proargtypes)
		AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
	ORDER BY oid::regprocedure::text COLLATE "C"});
cmp_ok(scalar @functions, '>', 60, 'there are functions to call');

my @names = ('', ' ', 'default', 'side', 'work', 'daily', 'fuzz', 'other', 'postgres', 'nobody', 'public', 'UTC',
	'Europe/Berlin', 'XXX0YYY,J1,J365', 'user', 'manage', 'enqueue', 'skip', 'allow', 'replace', 'error', 'drop_oldest',
	'catch_up', 'ignore', 'run', 'queue', 'key', 'owner', 'all', 'failures', 'none', 'standalone', 'exponential',
	'completed', 'failed', 'running', 'pending', 'scheduled', 'cancelled', '@daily', '* * * * *', 'every 1 second',
	"a\\nb", "\\x01", "\\u00fc\\u4e16", '%s%n%d', '$1', '{}', '-1', 'search_path', '0', 'null', '40001');
my @commands = ('SELECT 1', 'SELECT $1', 'SELECT 1/0', 'INSERT INTO effect VALUES (1)', 'SELECT 1; SELECT 2',
	'VACUUM effect', 'work', 'no_such', 'CALL jadugar.drain()', 'selekt', ';', '--', 'COMMIT',
	'SELECT * FROM jadugar.tasks', 'DO $$BEGIN RAISE $$', 'SET x.y = 1', 'SELECT jadugar.snooze(\'\'1 s\'\')');
my %values = (
	'text' => [ @names, @commands ],
	'boolean' => [ 'true', 'false' ],
	'integer' => [ 0, 1, -1, 2, 10, 1000, 2147483647, -2147483648 ],
	'bigint' => [ 0, 1, 2, 3, 4, 5, 100, -1, '9223372036854775807', '-9223372036854775808' ],
	'double precision' => [ 0, 1, 0.5, -1, 'NaN', 'Infinity', '-Infinity', '1e308', '1e-308', 1000001 ],
	'interval' => [ '0', '1 s', '1 us', '-1 s', '1 h', '1 mon', '1 mon -30 days', '-1 mon 31 days', '178000000 years',
		'-178000000 years', '2147483647 days', '2562047788:00:54.775807', '2147483647 months 2147483647 days',
		'-2147483648 days', '273000 years', '295000 years' ],
	'timestamp with time zone' => [ 'now', 'epoch', 'infinity', '-infinity', 'tomorrow', '2001-02-03', '4714-11-24 00:00:00+00 BC',
		'294276-12-31 23:59:59.999999+00', '294276-12-01 00:00+00' ],
	'jsonb' => [ 'null', '{}', '[]', '1', '"x"', 'true', '1e400', '-0', '[1, [2, [3, {"a": [null]}]]]', '{"a": {"b": {"c": 1}}}',
		'{"max_attempts": 3}', '{"max_attempts": 1e308, "delay": -1}', '{"max_attempts": 0}', '{"delay": 1e400}',
		'{"backoff": "none", "factor": 1e9}', '{"retry_on": ["40001", 5]}', '{"retry_on": "x"}', '{"retry_on": [[]]}',
		'{"jitter": null}', '{"work_mem": "64kB"}', '{"work_mem": -1}', '{"statement_timeout": "1s", "x.y": "z"}',
		'{"role": "postgres"}', '{"": ""}', '{"\\\\u00fc": "\\\\u00fc"}', '{"search_path": "\\"$user\\", x"}' ],
	'jadugar.flow' => [ '{"sleep": "1 s"}', '{"step": "a", "command": "SELECT 1"}', '{"step": "b", "command": "SELECT 1/0", "after": ["a"]}',
		'{"chain": [{"step": "c", "command": "work"}, {"wait_signal": "s"}]}', '{"race": [{"sleep_until": "$.x"}, {"approval": "a"}]}',
		'{"each": "SELECT 1", "do": {"loop": {"sleep": "1 s"}, "while": "$.steps.a"}}', '{"sub_flow": "work"}' ],
	'jadugar.timing' => [ '@daily', 'every 1 second', 'every 1000 years', '* * * * * *', '0 0 29 2 *', '0 0 L-30 * *', 'manual',
		'@startup', 'at 294276-12-31 23:59:59.999999+00', 'at 4714-11-24 00:00:00+00 BC', 'every 1 month 1 day 00:00:01', '0 0 30 2 *' ]);

sub pick
{
	return $_[ int(rand(scalar @_)) ];
}

# A value of that type as SQL, in one line; SHORT: without repeated texts.
sub value
{
	my ($type, $short) = @_;

	return "NULL::$type" if rand() < 0.08;
	if ($type =~ s/\[\]$//)
	{
		my $roll = rand();
		return "'{}'::$type\[]" if $roll < 0.15;
		return sprintf('ARRAY[ARRAY[%s], ARRAY[%s]]', value($type), value($type)) if $roll < 0.25;
		return sprintf('array_fill(%s, ARRAY[%d])', value($type, 1), pick(1, 3, 1000, 20000)) if $roll < 0.3;
		return sprintf('array_fill(%s, ARRAY[2], ARRAY[%d])', value($type), pick(-5, 0, 2147483000)) if $roll < 0.35;
		return sprintf('ARRAY[%s]', join ', ', map { value($type) } 1 .. 1 + int(rand(4)));
	}
	return sprintf("repeat(E'%s', %d)", pick(@names), pick(2, 70, 300, 2000, 100000))
	  if $type eq 'text' && !$short && rand() < 0.06;
	return sprintf('%d::%s', rand(1 << 31) - rand(1 << 31), $type) if $type =~ /^(integer|bigint)$/ && rand() < 0.2;
	return sprintf("now() + '%d s'", rand(1 << 31) - rand(1 << 31)) if $type =~ /^timestamp/ && rand() < 0.3;
	my $known = $values{$type} // ['0'];
	return sprintf("E'%s'::%s", pick(@$known), $type);
}

# A call with the required and some of the other arguments, named if possible.
sub call
{
	my $f = pick(@functions);
	my $n = 0;
	my $often = pick(0.1, 0.3, 0.9);
	my @args = map { $n++ < $f->{required} || rand() < $often ? ($_) : () } @{ $f->{args} };
	my $list = join ', ', map { ($_->[0] ne '' ? "$_->[0] => " : '') . value($_->[1]) } @args;

	return $f->{kind} eq 'p' ? "CALL jadugar.$f->{name}($list)" :
	  rand() < 0.5 ? "SELECT jadugar.$f->{name}($list)" : "SELECT * FROM jadugar.$f->{name}($list)";
}

my (%seen, @bad);
my $calls = 0;
my $lost = 0;

# One session; some calls share a transaction, which ends at an error.
sub round
{
	my @lines = ("SET client_min_messages = error; SET statement_timeout = '400ms';");
	my $open = 0;

	while (@lines < $batch)
	{
		if (rand() < 0.1)
		{
			push @lines, $open ? pick('COMMIT;', 'ROLLBACK;') : 'BEGIN;';
			$open = !$open;
		}
		push @lines, call() . ';';
		$calls++;
	}
	my $file = PostgreSQL::Test::Utils::tempdir() . '/calls.sql';
	open(my $out, '>', $file) or die "$file: $!";
	print $out "$_\n" foreach @lines;
	close($out) or die "$file: $!";

	my $result = run_log([ 'psql', '-X', '-q', '-U', 'fuzz', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=verbose',
		'-o', '/dev/null', '-f', $file ], '>', \my $stdout, '2>', \my $stderr);
	$lost++ if !$result;
	foreach (split /\n/, $stderr)
	{
		next unless /calls\.sql:(\d+): (ERROR|FATAL|PANIC):  (\w{5}): (.*)/;
		my ($line, $level, $state, $message) = ($1, $2, $3, $4);
		next if $state eq '25P02';    # the rest of an aborted transaction
		$seen{$state}++;
		push @bad, "$state: $message\n\t$lines[$line - 1]"
		  if $state !~ /^JD0/ && !$expected{$state} || $state eq 'JD020' || $level ne 'ERROR';
	}
	push @bad, "psql: $stderr" if !$result;
	return;
}

my $end = time + ($seconds // 0);
my $rounds = 0;
do
{
	round();
	$rounds++;
} while ($seconds ? time < $end && !$lost : $rounds < 4);

note("$calls calls; errors: " . join(', ', map { "$_ $seen{$_}" } sort keys %seen));
diag(substr($_, 0, 1000)) foreach @bad[ 0 .. (@bad < 20 ? $#bad : 19) ];
is(scalar @bad, 0, "every call ended well (seed $seed)");
is($lost, 0, 'no connection was lost');
unlike(slurp_file($node->logfile), qr/PANIC:|TRAP:|terminated by signal|internal error/i, 'no process died');

# Tasks that no call has changed still run
my $id = $node->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1', owner => 'other')});
ok(poll($node, "SELECT status FROM jadugar.get_task($id)", 'completed'), "the task of another role runs");
$node->stop('fast');
done_testing();
