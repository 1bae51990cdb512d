/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "platform/app/app.h"

const struct app *const app_registry[] = { &app_core, NULL };
