/*-------------------------------------------------------------------------
 *
 * gatefile.h
 *	  Keeps rates over a restart of the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_GATEFILE_H
#define JDG_SHARED_GATEFILE_H

#include "base/module.h"

/*
 * Its part, after that of the gates, notes whether the file has been read.  When
 * shared memory is new, the postmaster reads the gates that the server has left
 * when it was shut down, and arranges for the next time.  If it was not shut
 * down, it is not known what had begun: jdg_gates->empty_at is set to this
 * instant.
 */
extern const JdgShmemPart jdg_gatefile_shmem;

#endif							/* JDG_SHARED_GATEFILE_H */
