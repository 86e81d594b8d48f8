/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of limits for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LIMIT_OWNED_H
#define JDG_LIMIT_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_limit_owned[];

#endif							/* JDG_LIMIT_OWNED_H */
