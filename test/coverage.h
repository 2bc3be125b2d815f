/* For processes of tests that end with _exit or a signal: what gcov has counted must be written
   before. Nothing, unless the build measures coverage. */
#ifndef COVERAGE_H
#define COVERAGE_H

#ifdef MEASURES_COVERAGE
void __gcov_dump(void);
#define coverage_dump() __gcov_dump()
#else
#define coverage_dump() ((void)0)
#endif

#endif
