#pragma once
// A report as one page that needs nothing beside itself: for a browser, a mail, an auditor.
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace belay::cli {

// Whatever the report has: objects are sections, lists of objects tables, long texts are kept as they are. Every text
// is escaped; the page carries no script and loads nothing.
std::string report_html(std::string_view rollout_id, const json::Value& report);

}  // namespace belay::cli
