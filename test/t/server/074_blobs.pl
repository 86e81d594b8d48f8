# The bound of all blobs, also with savepoints and in open transactions; that it
# is known after a restart; the deletion of blobs that have expired; dump and
# restore.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_blob_size' => '1MB', 'jadugar.max_blob_total' => '2MB');
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
	SELECT jadugar.grant_access('ann'), jadugar.grant_access('bob')});

sub sql
{
	my ($sql, $db) = @_;

	return $node->safe_psql($db // 'postgres', $sql, extra_params => [ '-U', 'ann' ]);
}

# The error of a statement, or an empty text.
sub error_of
{
	my ($sql) = @_;
	my $stderr = '';

	$node->psql('postgres', $sql, extra_params => [ '-U', 'ann' ], stderr => \$stderr);
	return $stderr =~ /ERROR:  (.*)/ ? $1 : '';
}

# SQL that puts a blob of so many bytes.
sub put
{
	my ($bytes, $ttl) = @_;

	return sprintf(q{SELECT jadugar.put_blob(convert_to(repeat('x', %s), 'UTF8'), ttl => '%s')}, $bytes, $ttl // '1 day');
}

sub no_room
{
	my ($bytes, $name) = @_;

	is(error_of(put($bytes)), "there is no room for a blob of $bytes bytes", $name);
}

# Sets the clock forward by hours.
sub move_clock
{
	my ($hours) = @_;

	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = ' . $hours * 3600);
	$node->reload;
	return;
}

my $kb = 1024;

# --------------------------------------------------------------------- bounds

is(error_of(put(1024 * $kb + 1)), 'the blob is too large', 'one blob is bounded');
my $one = sql(put(1024 * $kb));
my $two = sql(put(1000 * $kb));
no_room(24 * $kb + 1, 'all blobs are bounded');
cmp_ok(sql(put(24 * $kb)), '>', 0, 'to the byte');
no_room(1, 'nothing more fits in');
cmp_ok(sql(put(0)), '>', 0, 'an empty blob does');
sql("SELECT jadugar.drop_blob($two)");
no_room(1000 * $kb + 1, 'no more fits in than was dropped');
cmp_ok(sql(put(500 * $kb, '1 microsecond')), '>', 0, 'what was dropped is free at once');
cmp_ok(sql(put(1000 * $kb)), '>', 0, 'so is what has expired');
no_room(1, 'the bound holds');
$node->restart;
no_room(1, 'also after a restart');
sql("SELECT jadugar.drop_blob($one)");
cmp_ok(sql('BEGIN;' . put(1024 * $kb) . '; ROLLBACK;' . put(1024 * $kb)), '>', 0, 'what was rolled back is free');
no_room(1, 'the bound holds after a rollback');

# What a rollback brings back counts again.
my ($largest) = sql('SELECT blob_id FROM jadugar.blobs ORDER BY size DESC, blob_id LIMIT 1');
foreach my $drop ("SELECT jadugar.drop_blob($largest)", q{SELECT count(*) FROM jadugar.drop_owned('ann', '{blobs}')})
{
	is(error_of("BEGIN; SAVEPOINT s; $drop;" . put(1000 * $kb) . '; ROLLBACK TO s;' . put(1000 * $kb)),
		'there is no room for a blob of ' . 1000 * $kb . ' bytes', "a rollback to a savepoint after: $drop");
	is(error_of("BEGIN; $drop;" . put(1000 * $kb) . '; ROLLBACK;'), '', 'the transaction itself may use what it has dropped');
	no_room(1000 * $kb, 'a rollback');
}

# Sessions that do not see each other's blobs do not exceed the bound together.
sql(q{SELECT jadugar.drop_blob(blob_id) FROM jadugar.blobs});
my @sessions = map { $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'ann' ]) } 1 .. 3;
$_->query('BEGIN') foreach @sessions;
my @got = map { scalar $_->query(put(900 * $kb)) =~ /^\d+$/ } @sessions;
is("@got[0, 1]" . ($got[2] ? ' 1' : ' none'), '1 1 none', 'what is not committed counts');
$sessions[0]->query('ROLLBACK');
$sessions[2]->query('ROLLBACK');
cmp_ok($sessions[2]->query(put(900 * $kb)), '>', 0, 'until it is rolled back');
$sessions[1]->query('COMMIT');
no_room(900 * $kb, 'one that is committed counts');
$_->quit foreach @sessions;
is(sql('SELECT sum(size) FROM jadugar.blobs'), 2 * 900 * $kb, 'two are there');

# --------------------------------------------------------------------- expiry

# The scheduler deletes what has expired, and nothing else.
sql(q{SELECT jadugar.drop_blob(blob_id) FROM jadugar.blobs});
sql(q{SELECT count(jadugar.put_blob(convert_to(repeat('x', 1000), 'UTF8'), ttl => '1 hour')) FROM generate_series(1, 900)});
my $stays = sql(q{SELECT jadugar.put_blob('\xff', 'a/b', ttl => '1 year')});
my $held = sql(q{SELECT min(blob_id) FROM jadugar.blobs});
my $holder = $node->background_psql('postgres');
$holder->query_safe("SET session_replication_role = replica; BEGIN; SELECT 1 FROM jadugar_internal.blob WHERE blob_id = $held FOR UPDATE");
move_clock(2);
ok(poll($node, 'SELECT string_agg(blob_id::text, $$ $$) FROM jadugar.blobs', $stays), 'expired blobs are not shown');
ok(poll($node, 'SELECT count(*) FROM jadugar_internal.blob', '2'), 'they are deleted');
$holder->query_safe('COMMIT');
$holder->quit;
move_clock(4);
ok(poll($node, 'SELECT string_agg(blob_id::text, $$ $$) FROM jadugar_internal.blob', $stays), 'a locked one later');

# ---------------------------------------------------------------- dump, restore

sql(q{SELECT jadugar.put_blob('\x000102', 'text/plain', ttl => '1 year')});
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restore');
$node->safe_psql('copy', q{SELECT jadugar.adopt()});
is(sql(q{SELECT string_agg(owner || ' ' || type || ' ' || jadugar.get_blob(blob_id), ', ' ORDER BY blob_id) FROM jadugar.blobs}, 'copy'),
	'ann a/b \xff, ann text/plain \x000102', 'blobs are dumped, with their owners');
is(sql(q{SELECT jadugar.put_blob('') > (SELECT max(blob_id) FROM jadugar.blobs)}, 'copy'), 't', 'ids go on');

$node->stop;
done_testing();
