# Schedules with @startup while their queue or tenant is paused.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main');
create_extension($node);

# The last start counts, and the misfire policy decides when the tenant is
# resumed.
$node->safe_psql('postgres', q{
	SELECT jadugar.create_queue('still'), jadugar.create_tenant('still'), jadugar.create_tenant('stays');
	SELECT jadugar.pause_queue('still'), jadugar.pause_tenant('still'), jadugar.pause_tenant('stays');
	SELECT jadugar.schedule('queued', '@startup', 'SELECT 1', queue => 'still');
	SELECT jadugar.schedule(name, '@startup', 'SELECT 1', misfire => misfire, misfire_grace => grace, tenant => 'still')
	FROM (VALUES ('once', 'once', '10 hours'::interval), ('all', 'all', '10 hours'), ('skip', 'skip', NULL), ('late', 'once', '1 second'),
		('off', 'once', NULL), ('other', 'once', NULL)) s (name, misfire, grace);
	SELECT jadugar.schedule('stays', '@startup', 'SELECT 1', tenant => 'stays')});
my $held = q{SELECT string_agg(name, ' ' ORDER BY name) FROM jadugar_internal.schedule WHERE held};
$node->restart;
ok(poll($node, $held, 'all late off once other skip stays'), '@startup of a paused tenant is held');
$node->restart;
$node->safe_psql('postgres', q{SELECT jadugar.alter_schedule('off', enabled => false), jadugar.alter_schedule('other', reset => '{tenant}')});
$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 60');
$node->reload;
ok(poll($node, q{SELECT waiting_for FROM jadugar.tasks WHERE schedule = 'queued' GROUP BY 1 HAVING count(*) = 1}, 'queue_paused'),
	'a task of a paused queue waits');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.history WHERE schedule IN ('once', 'all', 'skip', 'late', 'off')}), '0',
	'nothing happens while the tenant is paused');
$node->safe_psql('postgres', q{SELECT jadugar.resume_tenant('still'), jadugar.resume_queue('still')});
ok(wait_for_runs($node, 'once', 1) && wait_for_runs($node, 'all', 1), '@startup fires once when the tenant is resumed');
ok(poll($node, $held, 'stays'), 'nothing else is held');
is(schedule_history($node, 'skip'), 'skipped misfire 1', 'misfire skip');
is(schedule_history($node, 'late'), 'skipped grace 1', 'the grace');
is(schedule_history($node, 'off'), 'skipped disabled 1', 'disabled meanwhile');
ok(wait_for_runs($node, 'other', 1), 'without the tenant it fires at once');
ok(poll($node, q{SELECT count(*) FROM jadugar.history WHERE schedule = 'queued' AND status = 'completed'}, '1'), 'the task of the queue runs');
$node->safe_psql('postgres', 'SELECT jadugar.pause_tenant(\'still\')');
kill_process(wait_for_process($node, 'scheduler'), 'KILL');
poll($node, 'SELECT NOT pg_is_in_recovery()');
$node->safe_psql('postgres', 'SELECT jadugar.resume_tenant(\'still\')');
$node->restart;
ok(wait_for_runs($node, 'once', 2), 'the next start fires as usual');

done_testing();
