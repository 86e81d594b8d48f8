/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of the launcher in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "launcher/ddl_hook.h"
#include "launcher/launcher.h"

static void
init(void)
{
	jdg_hooks_init();
	jdg_launcher_register();
}

const JdgModule jdg_launcher_module = {
	.name = "launcher",
	.init = init,
};
