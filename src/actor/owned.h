/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Actors of a role, and its values in the cache, see access/owned.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_OWNED_H
#define JDG_ACTOR_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_actor_owned[];

#endif							/* JDG_ACTOR_OWNED_H */
