/*-------------------------------------------------------------------------
 *
 * cache_size.h
 *	  The bound of the cache: jadugar.cache_max_size.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACTOR_CACHE_SIZE_H
#define JDG_ACTOR_CACHE_SIZE_H

#include "shared/database.h"

/*
 * Counts a value of so many bytes that this transaction is about to write.
 * False: there is no room for it, and it is not counted.
 */
extern bool jdg_cache_has_room(int64 bytes);

/* duty of the scheduler: deletes what has expired, or is too much */
extern TimestampTz jdg_cache_upkeep(JdgDb *db, uint32 why);

#endif							/* JDG_ACTOR_CACHE_SIZE_H */
