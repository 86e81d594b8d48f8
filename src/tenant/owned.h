/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of tenants for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_TENANT_OWNED_H
#define JDG_TENANT_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_tenant_owned[];

#endif							/* JDG_TENANT_OWNED_H */
