#pragma once
// One turn of one execution of a maintenance window, inside one transaction. Used by the kind in window_run.cpp.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/window_kind.hpp"

namespace belay::server {

class WindowRun {
 public:
  WindowRun(store::Sql& sql, const WindowParts& parts, Instant now) : sql_(sql), parts_(parts), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  using Answer = Result<std::optional<window::Event>>;

  Status load(const store::executions::Execution& execution);
  Status save(const window::Execution& before);

  // ---- what happened
  Answer translate(const store::executions::Event& event);
  Result<window::Event> ended(const ChildEnded& child);

  // ---- what to do
  Answer act(const window::Action& action);
  Result<std::string> start(const window::Action& action);
  Result<std::string> start_command(const window::Action& action, const WindowTask& content,
                                    std::vector<std::string> nodes);
  std::map<std::string, std::vector<std::string>> filled(const WindowTask& content, const window::Action& action) const;

  // ---- who was missed
  Status note_reached(const store::window_history::Invocation& invocation, const ChildEnded& child, bool cut_off);
  Status note_cut_off(const window::Execution& before);
  Status note_missed(const std::string& task_execution_id, const std::vector<std::string>& nodes,
                     store::windows::MissedReason reason);

  store::window_history::Task* task_of(const std::string& task_execution_id);
  store::window_history::Invocation* invocation_of(const std::string& invocation_id);

  store::Sql& sql_;
  const WindowParts& parts_;
  const Instant now_;

  window::Execution machine_;
  store::window_history::Execution row_;
  std::vector<store::window_history::Task> tasks_;
  std::vector<store::window_history::Invocation> invocations_;
};

}  // namespace belay::server
