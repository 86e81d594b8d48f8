/*-------------------------------------------------------------------------
 *
 * pause_funcs.c
 *	  pause_tenant(), resume_tenant(), and what views ask.
 *
 * Runs in the caller's backend.  Both lock the tenant's row first.  Running
 * tasks go on.  Workers and the scheduler read the row (tenant.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"
#include "task/wakeup.h"
#include "tenant/tenant.h"

/* maximum length of a reason, in bytes */
#define REASON_MAX 1024

typedef struct PauseArgs
{
	char	   *name;
	char	   *reason;
} PauseArgs;

static const JdgArg pause_args[] = {
	{"name", TEXTOID, offsetof(PauseArgs, name), JDG_NEEDED},
	{"reason", TEXTOID, offsetof(PauseArgs, reason)},
};

static const JdgArg resume_args[] = {
	{"name", TEXTOID, 0, JDG_NEEDED},
};

/* pause_tenant(name, reason): running tasks go on, no more are started */
JDG_FUNCTION(jdg_pause_tenant, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.tenant SET paused_at = $at, "
		"paused_by = $by, pause_reason = $reason "
		"WHERE tenant_id = $tenant_id AND paused_at IS NULL",
		.config = true
	};
	PauseArgs	a;
	JdgTenant	tenant;
	JdgParams	p = {0};
	JdgInternal in;
	NameData	who;

	JDG_READ_ARGS("pause_tenant", pause_args, &a);
	if (a.reason && strlen(a.reason) > REASON_MAX)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("reason is too long"),
				 errdetail("It has %zu bytes. The maximum is %d bytes.",
						   strlen(a.reason), REASON_MAX)));
	namestrcpy(&who, GetUserNameFromId(GetUserId(), false));
	jdg_bind_time(&p, "at", jdg_now());
	jdg_bind(&p, "by", NAMEOID, NameGetDatum(&who), false);
	jdg_bind_text(&p, "reason", a.reason);

	jdg_internal_begin(&in);
	jdg_tenant_lock(a.name, in.save_user, &tenant);
	jdg_bind_int32(&p, "tenant_id", tenant.tenant_id);
	if (jdg_run_params(&q, &p, 0) > 0)
		jdg_audit_detail("pause_tenant", "tenant", a.name, tenant.owner, NULL,
						 a.reason);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

/* resume_tenant(name) */
JDG_FUNCTION(jdg_resume_tenant, JDG_LEVEL_USER)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.tenant SET paused_at = NULL, "
		"paused_by = NULL, pause_reason = NULL "
		"WHERE tenant_id = $1 AND paused_at IS NOT NULL", 1, {INT4OID},
		.config = true
	};
	char	   *name;
	JdgTenant	tenant;
	JdgInternal in;
	Datum		v[1];

	JDG_READ_ARGS("resume_tenant", resume_args, &name);
	jdg_internal_begin(&in);
	jdg_tenant_lock(name, in.save_user, &tenant);
	if (tenant.dropping)
		jdg_tenant_is_dropped(&tenant);
	v[0] = Int32GetDatum(tenant.tenant_id);
	if (jdg_run(&q, v, NULL, 0) > 0)
		jdg_audit("resume_tenant", "tenant", name, tenant.owner);
	jdg_wake_scheduler_at_commit(JDG_WAKE_QUEUE_CHANGED);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(jdg_v_tenant_is_paused);

/* _v_tenant_is_paused(label): false for NULL */
Datum
jdg_v_tenant_is_paused(PG_FUNCTION_ARGS)
{
	char	   *label = jdg_arg_text(fcinfo, 0);

	PG_RETURN_BOOL(jdg_tenant_is_paused(label));
}
