/*
 * json.h - findings as one JSON object; its keys are listed in maplog-lab(1). One thread.
 */
#pragma once

#include <jansson.h>

#include "lab/findings.h"

/* To be released with json_decref; NULL without memory. */
json_t *json_findings(const struct findings *findings);
