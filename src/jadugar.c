/*-------------------------------------------------------------------------
 *
 * jadugar.c
 *	  _PG_init: the list of modules, each initialized in its turn.
 *
 * Loaded through shared_preload_libraries.  If the library is loaded in any
 * other way (LOAD, or CREATE EXTENSION in a server that does not preload it),
 * the functions say which line of postgresql.conf is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/module.h"

PG_MODULE_MAGIC;

const JdgModule *const jdg_modules[] = {
#define JDG_FOLDER(name)
#define JDG_MODULE(name) &jdg_##name##_module,
#include "modulelist.h"
#undef JDG_MODULE
#undef JDG_FOLDER
	NULL
};

void		_PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	jdg_foreach_module(module)
	{
		if (module->init)
			module->init();
	}
}
