#pragma once
// One function a plugin; step_work.cpp chooses. Only for this room's own sources.
#include "agent/steps/step_work.hpp"

namespace belay::agent {

StepEnd run_script(const StepTools& tools, const document::RunShellScript& script, const StepContext& context);
StepEnd download(const StepTools& tools, const document::DownloadContent& content, const StepContext& context);
StepEnd gather_inventory(const StepTools& tools, const document::SoftwareInventory& work, const StepContext& context);

// `path` as a document means it: from the document's own directory, where it is not absolute. invalid_argument where it
// leads out of that.
Result<std::string> from_directory(const StepContext& context, const std::string& path);

// How a process ended, as a step's end; `program` is named where something killed it.
StepEnd end_of(const io::ProcessOutcome& outcome, const std::string& program);
StepEnd failed(std::string why);
StepEnd succeeded(std::string output);

}  // namespace belay::agent
