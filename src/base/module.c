/*-------------------------------------------------------------------------
 *
 * module.c
 *	  The row of the toolkit in the list of modules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/module.h"
#include "base/settings.h"

const JdgModule jdg_base_module = {
	.name = "base",
	.init = jdg_define_settings,
};
