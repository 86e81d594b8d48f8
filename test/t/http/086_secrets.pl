# Secrets of endpoints: files that hold them, and that no role finds one where it is not
# meant to be.
use strict;
use warnings;

use HttpServer;
use HttpTasks;
use JadugarTest;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $server = HttpServer->new($dir);
my $base = "http://127.0.0.1:$server->{port}";
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8', 'jadugar.http_idle_timeout' => '10min',
	'jadugar.max_crashes' => 10);
create_extension($node);

sub endpoint
{
	my ($name, %options) = @_;

	return create_endpoint($node, $name, base_url => $base, allow_addresses => '127.0.0.0/8', %options);
}

# --- files ---------------------------------------------------------------------------

my $file = "$dir/secret";

# Writes a file, in place or as a new one.
sub put
{
	my ($contents, $mode, $name) = @_;

	$name //= $file;
	open(my $out, '>:raw', $name) or die "cannot write $name: $!";
	print $out $contents;
	close $out;
	return chmod $mode // oct('600'), $name;
}

put("first\n");
endpoint('filed');
$node->safe_psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER filed OPTIONS (bearer_token_file '$file')");

# What the service was sent as the secret, or the code of the error.
sub sent
{
	my $before = () = $server->requests;
	my $id = send_request($node, 'filed', '/echo');
	# the secret itself is hidden in what is kept
	my $got = attempts($node, $id, q{coalesce(convert_from(decode(result #>> '{body,authorization}', 'hex'), 'UTF8'), error_code)});
	my $text = $node->safe_psql('postgres', "SELECT error FROM jadugar.history WHERE task_id = $id");

	unlike($text, qr/\Q$dir\E|S3CR3T/, 'the error shows neither the file nor its contents') if $text ne '';
	is(scalar(() = $server->requests), $before, 'and nothing is sent') if $text ne '';
	return $got;
}

is(sent(), 'Bearer first', 'a secret of a file');
put("second\n");
is(sent(), 'Bearer second', 'is read again when it has changed');
put("thirds\n");
is(sent(), 'Bearer thirds', 'in as many bytes, too');
put("renamed\n", oct('600'), "$dir/new");
rename "$dir/new", $file;
is(sent(), 'Bearer renamed', 'or if another file has its name');
put("three\r\n");
is(sent(), 'Bearer three', 'the end of the line is no part of it');
put('bare');
is(sent(), 'Bearer bare', 'and may be missing');

chmod oct($_), $file and is(sent(), 'FORBIDDEN', "a file of mode $_ is refused") foreach qw(640 604 620 660 644 601);
chmod oct('400'), $file;
is(sent(), 'Bearer bare', 'one that only its owner reads is not');
chmod oct('600'), $file;
unlink $file;
my $before = log_offset($node);
is(sent(), 'FORBIDDEN', 'one that does not exist is refused, although it has been read before');
like(slurp_file($node->logfile, $before), qr/LOG:  a request of task \d+ cannot be made: .*DETAIL:  File "\Q$file\E"/s, 'and the log names it');
put("S3CR3T\0more\n");
is(sent(), 'FORBIDDEN', 'so is one with a zero byte');
put("S3CR3T\r\nX-Evil: 1\n");
is(sent(), 'VALIDATION_ERROR', 'one of two lines');
put("S3CR3T\n\n");
is(sent(), 'VALIDATION_ERROR', 'one with an empty line behind');
put('');
is(sent(), 'VALIDATION_ERROR', 'an empty one');
put("\n");
is(sent(), 'VALIDATION_ERROR', 'one of an empty line');
put('S3CR3T' x 11000);
is(sent(), 'FORBIDDEN', 'one that is too large');
put('x' x 60000);
like(sent(), qr/^Bearer x{9993}$/, 'but not one of 60 kB');
unlink $file;
mkdir $file, oct('700');
is(sent(), 'FORBIDDEN', 'a directory');
rmdir $file;
mkfifo($file, oct('600'));
is(sent(), 'FORBIDDEN', 'a pipe, for which the process does not wait');
unlink $file;
put("linked\n", oct('600'), "$dir/target");
symlink "$dir/target", $file;
is(sent(), 'Bearer linked', 'a link to a good file is good');
put("replaced\n", oct('600'), "$dir/target");
is(sent(), 'Bearer replaced', 'and changes with it');
chmod oct('644'), "$dir/target";
is(sent(), 'FORBIDDEN', 'one to a file that others can read is not');
unlink $file;
symlink $file, $file;
is(sent(), 'FORBIDDEN', 'nor one to itself');
unlink $file;
symlink '/dev/zero', $file;
is(sent(), 'FORBIDDEN', 'nor one to a device');
unlink $file;
put("again\n");
is(sent(), 'Bearer again', 'a file that has been mended is used');

# --- who names files -------------------------------------------------------------------

$node->safe_psql('postgres', q{CREATE ROLE owner LOGIN; GRANT USAGE ON FOREIGN DATA WRAPPER jadugar_http TO owner;
	CREATE ROLE hostile LOGIN; SELECT jadugar.grant_access('hostile', 'user'); SELECT jadugar.grant_access('owner', 'user');
	SET ROLE owner; CREATE SERVER of_owner FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://127.0.0.1')});
foreach my $option (map { "${_}_file" } qw(password bearer_token api_key signing_secret secret_path sslcert sslkey))
{
	like(psql_error($node, "SET ROLE owner; CREATE USER MAPPING FOR PUBLIC SERVER of_owner OPTIONS ($option '$file')"),
		qr/permission denied to set option "$option"/, "$option is for superusers");
}
$node->safe_psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER of_owner OPTIONS (bearer_token_file '$file')");
like(psql_error($node, q{SET ROLE owner; ALTER USER MAPPING FOR PUBLIC SERVER of_owner OPTIONS (SET bearer_token_file '/etc/hostname')}),
	qr/permission denied to set option "bearer_token_file"/, 'so is another file');

# --- who finds secrets -------------------------------------------------------------------

my $secret = 'S3CR3T';
endpoint('loud');
endpoint('hidden', expect => '404');
endpoint('basic');
$node->safe_psql('postgres', qq{
	CREATE USER MAPPING FOR PUBLIC SERVER loud OPTIONS (bearer_token '$secret', api_key '$secret', signing_secret '$secret',
		signing_secret_old '$secret', access_key_id '$secret', secret_access_key '$secret', session_token '$secret');
	CREATE USER MAPPING FOR PUBLIC SERVER hidden OPTIONS (secret_path '/$secret');
	CREATE USER MAPPING FOR PUBLIC SERVER basic OPTIONS (user 'someone', password '$secret');
	GRANT USAGE ON FOREIGN SERVER loud, hidden, basic TO hostile});
$node->safe_psql('postgres', "ALTER SYSTEM SET $_") foreach q{log_statement = 'none'}, q{log_min_messages = 'debug2'}, q{log_min_error_statement = 'debug2'};
$node->reload;
my $offset = log_offset($node);

sub hostile
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'hostile' ]);
}

# Requests that end in every way, and settings, functions and errors that could tell.
foreach my $path (qw(/ok /status/404 /status/503 /close /reset /garbage /location /size/2000000))
{
	hostile("SELECT jadugar.call_service('$_', '$path', retries => 1)") foreach qw(loud hidden basic);
}
hostile(q{SELECT jadugar.call_service('loud', '/hang', retries => 1, timeout => '100 ms')});
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
cmp_ok($node->safe_psql('postgres', q{SELECT count(DISTINCT status || (error ->> 'kind')) FROM jadugar.history WHERE owner = 'hostile'}), '>=', 4,
	'requests of a hostile role end in several ways');
my @errors = map { psql_error($node, "SET ROLE hostile; $_") } (
	'DROP USER MAPPING FOR PUBLIC SERVER loud',
	q{ALTER USER MAPPING FOR PUBLIC SERVER loud OPTIONS (SET bearer_token 'x')},
	q{CREATE USER MAPPING FOR PUBLIC SERVER loud OPTIONS (api_key 'x')},
	q{ALTER SERVER loud OPTIONS (SET base_url 'http://evil.example')},
	q{CREATE SERVER copy FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'http://evil.example')},
	q{SELECT jadugar.test_endpoint('loud')},
	q{SELECT jadugar.enqueue('http', '{"endpoint": "loud", "path": "//evil.example"}')},
	q{SELECT jadugar.enqueue('http', '{"endpoint": "loud", "url": "http://evil.example"}')},
	q{SELECT jadugar.call_service('loud', '/ok', headers => '{"Host": "evil.example"}')},
	q{SELECT jadugar.call_service('loud', '/ok', headers => '{"Authorization": "x"}')},
	q{SELECT * FROM jadugar_internal.task},
	q{SELECT umoptions FROM pg_user_mapping});
is(scalar(grep { $_ eq '' } @errors), 0, 'it is not permitted to change or to redirect them');
unlike(join('', @errors), qr/$secret/, 'no error has a secret');

# The same while the process dies
my $hung = hostile(q{SELECT jadugar.call_service('loud', '/hang', retries => 1)});
poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $hung", 'running');
my $killed = log_offset($node);
kill_process(wait_for_process($node, 'http'), 'KILL');
wait_for_restart($node, 'http', $killed);
wait_ended($node, $hung);
hostile(q{SELECT jadugar.call_service('loud', '/hang', retries => 1)});

# Everything that a role can read: tables, views, and functions that need no argument.  The
# pattern is not what it finds.
$node->safe_psql('postgres', qq{
	CREATE FUNCTION finds() RETURNS SETOF text LANGUAGE plpgsql SET search_path = pg_catalog AS \$f\$
	DECLARE what text; q text; n bigint;
	BEGIN
		FOR what, q IN
			SELECT c.oid::regclass::text, format('SELECT count(*) FROM %s x WHERE x::text ~ ''S3CR[3]T''', c.oid::regclass)
			FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
			WHERE relkind IN ('r', 'v', 'm', 'p') AND nspname IN ('jadugar', 'jadugar_internal', 'pg_catalog', 'public', 'information_schema')
				AND has_schema_privilege(n.oid, 'USAGE')
			UNION ALL
			SELECT p.oid::regprocedure::text, format('SELECT count(*) FROM %s() x WHERE x::text ~ ''S3CR[3]T''', p.oid::regproc)
			FROM pg_proc p WHERE pronamespace = 'jadugar'::regnamespace AND prokind = 'f' AND provolatile IN ('s', 'i')
				AND pronargs = pronargdefaults AND has_function_privilege(p.oid, 'EXECUTE')
		LOOP
			BEGIN
				EXECUTE q INTO n;
			EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state OR feature_not_supported OR invalid_parameter_value THEN
				CONTINUE;
			END;
			IF n > 0 THEN RETURN NEXT what; END IF;
		END LOOP;
		RETURN NEXT 'end';
	END \$f\$});
is(hostile('SELECT string_agg(f, \' \') FROM public.finds() f'), 'end', 'a hostile role finds a secret nowhere');
is($node->safe_psql('postgres', q{SELECT string_agg(f, ' ') FROM public.finds() f WHERE f !~ 'user_mapping'}), 'end',
	'and a superuser in the mappings only');
is($node->safe_psql('postgres', q{SELECT count(*) FROM public.finds() f WHERE f = 'pg_user_mapping'}), '1', 'where it is');

# the log, while nobody logs statements
unlike(slurp_file($node->logfile, $offset), qr/$secret/, 'the log has none');

# dumps
hostile('CREATE TABLE own AS SELECT 1 AS a') if psql_error($node, 'GRANT CREATE ON SCHEMA public TO hostile') eq '';
foreach my $args ([], ['--schema=public'], ['--table=own'], ['--schema-only', '--extension=jadugar'])
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-U', 'hostile', @$args, 'postgres' ], '>', \$out, '2>', \$err);
	unlike($out . $err, qr/$secret/, "pg_dump @$args of a hostile role has none");
}

$node->stop;
$server->stop;
done_testing();
