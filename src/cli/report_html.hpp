#pragma once
// Reports as one page each that needs nothing beside itself: for a browser, a mail, an auditor.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace belay::cli {

// Whatever the report has: objects are sections, lists of objects tables, long texts are kept as they are. Every text
// is escaped; the page carries no script and loads nothing.
std::string report_html(std::string_view rollout_id, const json::Value& report);  // of a rollout
// Of anything; the sections named by `first` stand before the others.
std::string report_page(std::string_view heading, const json::Value& report,
                        const std::vector<std::string_view>& first);

}  // namespace belay::cli
