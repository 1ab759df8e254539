/*
 * death.h - tests that a broken contract ends the process, and says why. The breach runs in a
 * forked child, which opens what it needs by itself: handles do not outlive a fork().
 */
#pragma once

#include <stdbool.h>

/* Runs breach() in a child. True when it died by SIGABRT with the sentence on its standard error;
 * prints what happened instead when not. */
bool death_by_contract(void (*breach)(void), const char *sentence);
