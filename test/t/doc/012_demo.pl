# The SQL of make demo runs without an error, its tables balance, and its output
# fits a terminal of 80 columns.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');

# The output of a file of examples/demo.
sub run_file
{
	my ($file, $db, @options) = @_;
	my ($out, $err) = run_command(
		[
			'psql', '-X', '-P', 'pager=off', '-v', 'ON_ERROR_STOP=1', @options,
			'-d', $node->connstr($db), '-f', "$top/examples/demo/$file"
		]);

	is($err, '', "$file: no error");
	return $out;
}

sub check_width
{
	my ($name, $out) = @_;

	is(join("\n", grep { length > 79 } map { s/\s+$//r } split /\n/, $out),
		'', "$name: no line is longer than 79 columns");
	return;
}

run_file('install.sql', 'postgres');
command_ok([ 'pgbench', '-i', '-q', '-U', 'demo', '-d', $node->connstr('demo') ], 'pgbench -i');
run_file('work.sql', 'demo', '-U', 'demo');
poll($node, q{SELECT count(*) > 0 FROM jadugar.running WHERE progress > 0}, 't', 'demo');
my $view = run_file('live.sql', 'demo', '-qAt', '-U', 'demo', '-v', 'left=30', '-v', 'utf8=0',
	'-v', 'hint= (Ctrl-C: summary)');
like($view, qr/^#\d+ +audit .*\d+% .*accounts checked/m, 'live.sql: the progress of a task');
check_width('live.sql', $view);
run_file('finish.sql', 'demo', '-U', 'demo');
my $summary = run_file('summary.sql', 'demo', '-q', '-U', 'demo');
check_width('summary.sql', $summary);
like($summary, qr/^chain \[completed/m, 'summary.sql: the flow is completed');
is(() = $summary =~ /\| equal$/mg, 3, 'summary.sql: the books balance');

done_testing();
