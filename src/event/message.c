/*-------------------------------------------------------------------------
 *
 * message.c
 *	  Message ids, see message.h.
 *
 * Runs in the publisher's process.  The primary key of
 * jadugar_internal.event_message makes a second transaction wait for one that
 * has not ended.  A message id is kept for jadugar.event_dedup_window; the
 * scheduler deletes older ones (upkeep.c), and a later event may take their
 * place before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/params.h"
#include "base/settings.h"
#include "event/message.h"

int64
jdg_message_take(Oid role, const char *message_id, int64 event_id)
{
	static JdgQuery take = {
		"INSERT INTO jadugar_internal.event_message AS m "
		"(role, message_id, event_id, until) "
		"VALUES ($role, $message_id, $event_id, $until) "
		"ON CONFLICT (role, message_id) DO UPDATE "
		"SET event_id = excluded.event_id, until = excluded.until "
		"WHERE m.until <= $now"
	};
	static JdgQuery find = {
		"SELECT event_id FROM jadugar_internal.event_message "
		"WHERE role = $role AND message_id = $message_id"
	};
	TimestampTz now = jdg_now();
	int64		twin = 0;
	JdgInternal in;

	jdg_internal_begin(&in);
	for (;;)
	{
		JdgParams	p = {0};
		JdgParams	f = {0};

		CHECK_FOR_INTERRUPTS();
		jdg_bind_oid(&p, "role", role);
		jdg_bind_text(&p, "message_id", message_id);
		jdg_bind_int64(&p, "event_id", event_id);
		jdg_bind_time(&p, "until",
					  now + (int64) jdg_event_dedup_window * USECS_PER_SEC);
		jdg_bind_time(&p, "now", now);
		if (jdg_run_params(&take, &p, 0) > 0)
			break;
		jdg_bind_oid(&f, "role", role);
		jdg_bind_text(&f, "message_id", message_id);
		/* if it has just been deleted, it is free */
		if (jdg_run_params(&find, &f, 1) > 0)
		{
			twin = jdg_col_int64(0, 1, 0);
			break;
		}
	}
	jdg_internal_end(&in);
	return twin;
}
