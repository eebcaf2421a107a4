#pragma once
// Inside of plan.cpp: the parts of a plan's file.
#include "core/backup/parts.hpp"
#include "core/backup/plan.hpp"
#include "core/schedule/schedule.hpp"

namespace belay::backup::parts {

SourceSpec read_source(const Place& place);
bool is_engine(std::string_view word);

PlanSchedule read_schedule(const Place& place);
// Of the whole plan: types that the engine makes, a full one for the others, an RPO that can be met, points that live
// until the next ones. `keep` stands at its own place.
void check_times(const Place& place, const PlanSpec& plan);
// A schedule of one thing, checked for itself. What is wrong with it.
std::string schedule_problem(std::string_view expression);

ProveSpec read_prove(const Place& place);
void check_prove(const Place& place, const PlanSpec& plan);

// A list of texts, or one text: a program with its arguments.
std::vector<std::string> program(const Place& place, std::string_view field, bool required);
std::string user(const Place& place, std::string_view field);

}  // namespace belay::backup::parts
