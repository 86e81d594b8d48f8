# README.md, the pages of doc/ and the examples are correct: every block of SQL runs
# as typed, in order, each page in a database of its own, as an ordinary role with
# access. Blocks whose first line is "-- as superuser" run as a superuser, "-- as
# operator" as an operator. A statement that must fail is followed by
# "-- ERROR:  message". Links lead to files.
use strict;
use warnings;

use File::Basename qw(basename dirname);
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = ("$top/README.md", sort glob("$top/doc/*.md"));
my @examples = sort glob("$top/examples/*.sql");

my $node = new_cluster('main');
$node->safe_psql('postgres', 'CREATE ROLE ops LOGIN');

# Creates a database for an example or a page; the role app may create tables in it.
sub make_database
{
	my ($db, $bare) = @_;

	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN') unless $bare;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, q{
		CREATE EXTENSION jadugar;
		SELECT jadugar.grant_access('app');
		SELECT jadugar.grant_access('ops', 'operator');
		GRANT CREATE ON SCHEMA public TO app, ops;}) unless $bare;
	return;
}

sub drop_database
{
	my ($db) = @_;

	$node->safe_psql('postgres', "DROP DATABASE $db");
	$node->safe_psql('postgres', 'DROP ROLE app');
	return;
}

# Returns the blocks of a page as one script that reconnects when the role changes.
# README.md has an example before the installation, so the block that creates the
# extension runs first.
sub script_of
{
	my ($page) = @_;
	my $script = '';
	my $before = '';
	my @blocks = slurp_file($page) =~ /^```sql\n(.*?)^```$/gms;

	foreach my $block ((grep { /CREATE EXTENSION/ } @blocks), grep { !/CREATE EXTENSION/ } @blocks)
	{
		my $role = $block =~ /^-- as superuser/ ? 'postgres'
		  : $block =~ /^-- as operator/ ? 'ops' : 'app';

		$script .= "\\connect - $role\n" if $role ne $before;
		$script .= "$block\n";
		$before = $role;
	}
	return $script;
}

# Returns the errors in the output of a script, and the errors that it announces.
sub run_script
{
	my ($what, $db, $script) = @_;
	my $stderr = '';
	my $wanted = join("\n", $script =~ /^-- (ERROR:  .*)$/gm);

	$node->psql($db, $script, stderr => \$stderr, on_error_stop => 0);
	my $errors = join("\n", $stderr =~ /((?:ERROR|FATAL|PANIC):  .*|invalid command.*)/g);
	is($errors, $wanted, "$what runs as typed") or diag($stderr);
	return;
}

foreach my $page (@pages)
{
	my $name = basename($page, '.md');
	my $script = script_of($page);
	my $text = slurp_file($page) =~ s/^```.*?^```$//gmsr;

	foreach my $link ($text =~ /\]\(([^)#]+)/g)
	{
		next if $link =~ /^https?:/;
		ok(-e dirname($page) . "/$link", "$name.md: the link to $link exists");
	}
	next if $script eq '';
	$name =~ s/\W/_/g;
	$name = lc($name);
	# README.md creates the extension and the role
	make_database("page_$name", scalar($script =~ /CREATE EXTENSION/));
	run_script($page =~ s/^\Q$top\E\///r, "page_$name", $script);
	drop_database("page_$name");
}

# These two are benchmarks, and set their own numbers of tasks.
foreach my $file (grep { !/(throughput|latency)\.sql$/ } @examples)
{
	my $name = basename($file, '.sql');

	make_database("example_$name");
	run_script("examples/$name.sql", "example_$name", "\\connect - app\n" . slurp_file($file));
	drop_database("example_$name");
}

$node->stop;
done_testing();
