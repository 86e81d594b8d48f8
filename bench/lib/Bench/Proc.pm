# Bench::Proc: facts about processes and this machine from /proc.
package Bench::Proc;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(slurp usage memory ours cores cpu_model memory_gb);

sub slurp
{
	my ($file) = @_;

	open(my $in, '<', $file) or return '';
	local $/;
	my $text = readline($in) // '';
	close($in);
	return $text;
}

# usage(PID...): return wake-ups (voluntary context switches of all threads) and
# seconds of CPU so far.
sub usage
{
	my (@pids) = @_;
	my %sum = (wakeups => 0, cpu => 0);

	foreach my $task (map { glob("/proc/$_/task/*") } @pids)
	{
		$sum{wakeups} += $1 if slurp("$task/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
		$sum{cpu} += $1 / 1e9 if slurp("$task/schedstat") =~ /^(\d+)/;
	}
	return \%sum;
}

# memory(PID...): return the private memory of these processes, in MB.
sub memory
{
	my (@pids) = @_;
	my $kb = 0;

	foreach my $pid (@pids)
	{
		my $text = slurp("/proc/$pid/smaps_rollup");
		$kb += $1 while $text =~ /^Private_(?:Clean|Dirty):\s*(\d+)/mg;
	}
	return $kb / 1024;
}

# ours(DATADIR): return ticks of CPU used by the server of that directory and by
# all other processes of this run, including children that have ended.
sub ours
{
	my ($data) = @_;
	my $ticks = 0;

	foreach my $dir (glob('/proc/[0-9]*'))
	{
		next if (readlink("$dir/cwd") // '') ne $data
		  && index(slurp("$dir/environ"), "JADUGAR_BENCH_RUN=$ENV{JADUGAR_BENCH_RUN}") < 0;
		my (undef, $rest) = split /\) /, slurp("$dir/stat"), 2;
		my @field = split ' ', $rest // '';
		$ticks += $_ foreach grep { defined } @field[ 11 .. 14 ];
	}
	return $ticks;
}

sub cores
{
	my $n = () = slurp('/proc/cpuinfo') =~ /^processor\s*:/mg;

	return $n || 1;
}

sub cpu_model
{
	return slurp('/proc/cpuinfo') =~ /^(?:model name|Model)\s*:\s*(.*)$/m ? $1 : 'unknown';
}

sub memory_gb
{
	return slurp('/proc/meminfo') =~ /^MemTotal:\s*(\d+)/m ? $1 / 1024 / 1024 : 0;
}

1;
