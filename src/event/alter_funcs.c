/*-------------------------------------------------------------------------
 *
 * alter_funcs.c
 *	  alter_subscription().
 *
 * Runs in the caller's process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "event/alter.h"

typedef struct AlterArgs
{
	JdgSubscriptionOptions options;
	ArrayType  *reset;
	char	   *new_name;
} AlterArgs;

static const JdgArg alter_args[] = {
	JDG_SUBSCRIPTION_WHICH_ARGS(JDG_OPTIONAL),
	JDG_SUBSCRIPTION_HOW_ARGS,
	{"reset", TEXTARRAYOID, offsetof(AlterArgs, reset)},
	{"new_name", TEXTOID, offsetof(AlterArgs, new_name)},
};

/* alter_subscription(name, ...) */
JDG_FUNCTION(jdg_alter_subscription, JDG_LEVEL_USER)
{
	AlterArgs	a = {0};
	JdgSubscriptionOptions *o = &a.options;
	JdgInternal in;
	bool		reset[lengthof(alter_args)] = {0};
	Oid			owner;

	JDG_READ_ARGS("alter_subscription", alter_args, &a);
	if (a.reset)
		jdg_args_reset(fcinfo, alter_args, lengthof(alter_args), a.reset,
					   reset);
	jdg_subscription_check(o);
	if (a.new_name)
		jdg_check_name("subscription", a.new_name);
	owner = jdg_owner_of_call(o->owner);
	jdg_subscription_alter(o, owner, a.reset, a.new_name);
	jdg_internal_begin(&in);
	jdg_audit_detail("alter_subscription", "subscription", o->name, owner,
					 a.new_name ? psprintf("new name \"%s\"", a.new_name) : NULL,
					 NULL);
	jdg_internal_end(&in);
	PG_RETURN_VOID();
}
