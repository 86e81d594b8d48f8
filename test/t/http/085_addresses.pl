# Addresses: no request reaches one that is not allowed, whatever URL, name, answer of the
# resolver or redirect leads to it.  A name that is never resolved delays nothing else.
use strict;
use warnings;

use HttpServer;
use HttpTasks;
use JadugarTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# 127.0.0.9 is allowed, the others never are.
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my @forbidden = grep { HttpServer::can_listen($_) } qw(127.0.0.1 127.0.0.2 ::1);
my $server = HttpServer->new($dir, '127.0.0.9', @forbidden);
my $port = $server->{port};

# --- the corpus -------------------------------------------------------------------

my %names = (
	'good.test' => '127.0.0.9',
	'evil4.test' => '127.0.0.1',
	'evil4b.test' => '127.0.0.2',
	'evil6.test' => '::1',
	'all.test' => '127.0.0.1,127.0.0.2,::1',
	'zero4.test' => '0.0.0.0',
	'zero6.test' => '::',
	'mapped.test' => '::ffff:127.0.0.1',
	'compatible.test' => '::127.0.0.1',
	'nat64.test' => '64:ff9b::7f00:1',
	'local-nat64.test' => '64:ff9b:1::7f00:1',
	'to4.test' => '2002:7f00:1::',
	'isatap.test' => 'fe80::5efe:127.0.0.1',
	'teredo.test' => '2001::80ff:fffe',
	'private.test' => '10.0.0.1,172.16.0.1,192.168.0.1',
	'metadata.test' => '169.254.169.254,fd00:ec2::254',
	'multicast.test' => '224.0.0.1,ff02::1',
	'broadcast.test' => '255.255.255.255',
	'xn--fa-hia.test' => '127.0.0.1',
	'mixed.test' => '127.0.0.1,127.0.0.9',
	'mixed6.test' => '::1,127.0.0.9',
	'rebinds.test' => '127.0.0.9 127.0.0.1',
	'hangs.test' => 'hang');

# hosts that are addresses, or names of such: they are connected to if that is allowed
my @hosts = (qw(127.0.0.1 127.0.0.2 localhost LOCALHOST [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:2]
	  [::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [fe80::5efe:127.0.0.1] [2001::80ff:fffe] [::] 0.0.0.0
	  10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254 100.100.100.200 224.0.0.1 255.255.255.255 [fd00:ec2::254] [ff02::1] [fe80::1]),
	grep { !/good|mixed|rebinds|hangs/ } sort keys %names);
push @hosts, 'evil4.test.', 'EVIL6.Test';

# texts that programs read differently: no URL
my @texts = map { s/PORT/$port/gr } (
	'http://2130706433:PORT/', 'http://0x7f000001:PORT/', 'http://0x7f.0.0.1:PORT/', 'http://0177.0.0.1:PORT/', 'http://017700000001:PORT/',
	'http://127.1:PORT/', 'http://127.0.1:PORT/', 'http://0:PORT/', 'http://0x7f.1:PORT/', 'http://127.0.0.1.:PORT/', 'http://00000177.0.0.1:PORT/',
	'http://4294967295:PORT/', 'http://6425673729:PORT/', 'http://good.test@127.0.0.1:PORT/', 'http://127.0.0.1:PORT\\@good.test/',
	'http://good.test:PORT\\@127.0.0.1/', 'http://a:b@127.0.0.1:PORT/', 'http://good.test:80@127.0.0.1:PORT/', 'http://[fe80::1%25lo]:PORT/',
	'http://[::1%25lo]:PORT/', 'http://[127.0.0.1]:PORT/', 'http://::1:PORT/', 'http://[::1:PORT/', 'http://%31%32%37.0.0.1:PORT/',
	'http://127%2e0.0.1:PORT/', "http://\x{ff11}\x{ff12}\x{ff17}.0.0.1:PORT/", "http://127\x{3002}0\x{3002}0\x{3002}1:PORT/",
	"http://\x{24d0}.test:PORT/", "http://fa\x{df}.test:PORT/", "http://evil4\x{ad}.test:PORT/", "http://evil4.test\x{0}good.test:PORT/",
	"http://evil4.test\t:PORT/", "http://good.test\n127.0.0.1:PORT/", ' http://127.0.0.1:PORT/', 'http:/127.0.0.1:PORT/', 'http:127.0.0.1:PORT/',
	'http:///127.0.0.1:PORT/', '//127.0.0.1:PORT/', '\\\\127.0.0.1:PORT/', 'http:\\\\127.0.0.1:PORT/', 'http://good.test#@127.0.0.1:PORT/',
	'http://good.test?@127.0.0.1:PORT/#', 'ftp://127.0.0.1:PORT/', 'gopher://127.0.0.1:PORT/_x', 'file:///etc/passwd', 'dict://127.0.0.1:PORT/x',
	'http+unix://127.0.0.1:PORT/', 'unix:///tmp/x', 'http://127.0.0.1:0PORT/', 'http://127.0.0.1:+PORT/', 'http://127.0.0.1:PORT:80/', 'http://');

append_to_file("$dir/names", join '', map { "$_ $names{$_}\n" } sort keys %names);

# --- the server ---------------------------------------------------------------------

my $node = new_cluster('main', -start => 0, 'jadugar.http_allow_addresses' => '127.0.0.9');
chomp(my $library = `pg_config --pkglibdir`);
{
	local $ENV{LD_PRELOAD} = join ':', "$library/names.so", $ENV{LD_PRELOAD} // ();
	local $ENV{JADUGAR_TEST_NAMES} = "$dir/names";
	$node->start;
}
create_extension($node);

# What came of URLs: for each the code of the error, or the end of its only attempt.
sub results
{
	my ($endpoint, @urls) = @_;
	my $urls = encode_json(\@urls) =~ s/'/''/gr;

	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS tried;
		CREATE TABLE tried (url text, task_id bigint, code text);
		DO \$\$
		DECLARE u jsonb; id bigint;
		BEGIN
			FOR u IN SELECT * FROM jsonb_array_elements(replace('$urls', '\\u0000', '%00')::jsonb) LOOP
				BEGIN
					id := jadugar.enqueue('http', jsonb_build_object('endpoint', '$endpoint', 'url', u), retry => jadugar.retry_policy(2, 'fixed', '10 ms'));
					INSERT INTO tried VALUES (u #>> '{}', id);
				EXCEPTION WHEN OTHERS THEN
					INSERT INTO tried VALUES (u #>> '{}', NULL, sqlstate);
				END;
			END LOOP;
		END \$\$});
	poll($node, 'SELECT count(*) FROM jadugar.tasks JOIN tried USING (task_id)', '0');
	my $rows = $node->safe_psql('postgres', q{SELECT jsonb_agg(jsonb_build_array(url, coalesce(code, (SELECT string_agg(concat_ws(':', status, error ->> 'code', error ->> 'sent'), ' ')
		FROM jadugar.history h WHERE h.task_id = t.task_id)))) FROM tried t});
	return map { $_->[0] => $_->[1] } @{ decode_json($rows) };
}

# Which of the URLs have another result, and how often a forbidden address was connected to.
sub all_are
{
	my ($endpoint, $expected, $urls, $name) = @_;
	my $before = $server->connections(@forbidden);
	my %result = results($endpoint, @$urls);
	my @other = map { "$_ $result{$_}" } grep { $result{$_} ne $expected } sort keys %result;

	is(join("\n", @other), '', $name);
	is(scalar keys %result, scalar @$urls, 'all of them');
	is($server->connections(@forbidden) - $before, 0, 'and no packet reaches one');
	return;
}

sub allow
{
	my ($ranges) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET jadugar.http_allow_addresses = '$ranges'");
	$node->reload;
	return poll($node, q{SELECT current_setting('jadugar.http_allow_addresses')}, $ranges);
}

my @urls = map { "http://$_:$port/ok" } @hosts;
my $refused = 'failed:ADDRESS_REFUSED:false';

create_endpoint($node, 'one_key', any_host => 'true', allow_ports => $port, allow_addresses => '0.0.0.0/0, ::/0', connect_timeout => '20 s');
create_endpoint($node, 'no_key', any_host => 'true', allow_ports => $port);
create_endpoint($node, 'good', base_url => "http://good.test:$port", allow_addresses => '127.0.0.9', redirects => '5');

is(ends_of($node, 'good', '/ok'), 'completed:200', 'a name with an address that is allowed');
all_are('one_key', $refused, \@urls, 'addresses that the setting does not open are refused, once');
all_are('one_key', 'JD001', \@texts, 'texts that programs read differently are no URLs');

# one of several addresses is allowed
my $before = $server->connections(@forbidden);
my %mixed = results('one_key', map { "http://$_:$port/ok" } qw(mixed.test mixed6.test));
is(join(' ', sort values %mixed), 'completed completed', 'a name with an address that is allowed and one that is not');
is($server->connections(@forbidden) - $before, 0, 'is called at the former only');

# --- redirects ------------------------------------------------------------------------

$before = $server->connections(@forbidden);
my $from = send_request($node, 'good', '/ok');
wait_ended($node, $from);
my @to = (@urls, grep { !/[\x00-\x20]/ } @texts, "//127.0.0.1:$port/ok", "/\\127.0.0.1:$port/ok", "//evil4.test:$port/ok", "\@127.0.0.1:$port/ok");
foreach my $url (@to)
{
	utf8::encode(my $bytes = $url);
	my $query = encode_json({ url => $url }) =~ s/'/''/gr;
	send_request($node, 'good', '/to', undef, "query => convert_from('\\x" . unpack('H*', $query) . "', 'UTF8')::jsonb");
}
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
is($server->connections(@forbidden) - $before, 0, 'no redirect leads to a forbidden address');
is($node->safe_psql('postgres', qq{SELECT count(DISTINCT task_id) || ' ' || string_agg(DISTINCT concat_ws(' ', status, error ->> 'code', error ->> 'status'), ',')
	FROM jadugar.history WHERE task_id > $from AND payload ->> 'path' = '/to'}), @to . ' failed HTTP_STATUS 302', 'none is followed');

# --- answers that change -----------------------------------------------------------------

create_endpoint($node, 'rebinds', base_url => "http://rebinds.test:$port", allow_addresses => '127.0.0.9');
is(ends_of($node, 'rebinds', '/ok'), 'completed:200', 'a name whose address is allowed');
$node->safe_psql('postgres', q{ALTER SERVER rebinds OPTIONS (ADD max_concurrency '3')});
is(ends_of($node, 'rebinds', '/ok'), 'failed:ADDRESS_REFUSED', 'and the next time is not');
is($server->connections(@forbidden) - $before, 0, 'is not connected to then');

# --- two keys ----------------------------------------------------------------------------

allow('0.0.0.0/0, ::/0');
all_are('no_key', $refused, \@urls, 'what the endpoint does not name is refused, although the setting opens all');
all_are('one_key', 'JD001', \@texts, 'texts are no URLs, although all addresses are allowed');
create_endpoint($node, 'denies', any_host => 'true', allow_ports => $port, allow_addresses => '0.0.0.0/0, ::/0', deny_addresses => '127.0.0.0/8, ::1, ::ffff:0:0/96, ::/96');
my %denied = results('denies', map { "http://$_:$port/ok" } qw(127.0.0.1 localhost evil4.test evil6.test [::1] [::ffff:127.0.0.1]));
is(join(' ', grep { $_ ne $refused } values %denied), '', 'deny_addresses takes precedence');
is($server->connections(@forbidden) - $before, 0, 'again no packet reaches one');
my %open = results('one_key', map { "http://$_:$port/ok" } '127.0.0.1', 'evil4b.test', map { "[$_]" } grep { /:/ } @forbidden);
is(join(' ', grep { $_ ne 'completed' } values %open), '', 'both keys together open an address');
is($server->connections(@forbidden) - $before, scalar @forbidden, 'which is connected to then');

# an open connection is not used when a key has been taken away
$before = $server->connections(@forbidden);
my $requests = () = $server->requests;
allow('127.0.0.9');
%open = results('one_key', map { "http://$_:$port/ok" } '127.0.0.1', 'evil4b.test');
is(join(' ', values %open), "$refused $refused", 'a key that is taken away counts at once');
is($server->connections(@forbidden) - $before, 0, 'no connection is made');
is(scalar(() = $server->requests), $requests, 'nor used');

# --- names that hang -----------------------------------------------------------------------

create_endpoint($node, 'stuck', base_url => "http://hangs.test:$port", allow_addresses => '127.0.0.9', connect_timeout => '10 min', timeout => '10 min');

sub unsent
{
	my ($n) = @_;

	return poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE status = 'running' AND payload ->> 'endpoint' = 'stuck'}, $n);
}

my @stuck = map { send_request($node, 'stuck', '/ok') } 1 .. 3;
unsent(3);
my $start = time;
is(ends_of($node, 'good', '/ok'), 'completed:200', 'a name that hangs delays no other endpoint');
cmp_ok(time - $start, '<', 5, 'at all');

# of an endpoint with any_host, no other host either
$node->safe_psql('postgres', q{ALTER SERVER one_key OPTIONS (SET connect_timeout '10 min', ADD timeout '10 min')});
my $other = $node->safe_psql('postgres', qq{SELECT jadugar.enqueue('http', '{"endpoint": "one_key", "url": "http://hangs.test:$port/ok"}')});
poll($node, "SELECT status FROM jadugar.tasks WHERE task_id = $other", 'running');
my %result = results('one_key', "http://good.test:$port/ok");
is(join(' ', values %result), 'completed', 'nor another host of the same endpoint');

# one thread resolves a name, however many tasks need it
my $pid = wait_for_process($node, 'http');
cmp_ok(scalar(() = glob "/proc/$pid/task/*"), '<=', 4, 'and few threads wait');

$start = time;
is($node->safe_psql('postgres', "SELECT jadugar.cancel($stuck[0])"), 't', 'a task whose name hangs can be cancelled');
is(attempts($node, $stuck[0], q{status || ':' || attempt}), 'cancelled:0', 'and ends');
cmp_ok(time - $start, '<', 5, 'at once');
unsent(2);

# the process leaves at once, and the tasks were charged nothing
$start = time;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", '0'), 'the process ends while it resolves');
cmp_ok(time - $start, '<', 5, 'at once');
unsent(2);
is($node->safe_psql('postgres', qq{SELECT count(*) FROM jadugar.history WHERE task_id IN ($stuck[1], $stuck[2])}), '0', 'its tasks go on without a lost attempt');

$start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 10, 'the server stops while it resolves');

$server->stop;
done_testing();
