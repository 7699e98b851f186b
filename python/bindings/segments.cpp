// The derivatives of a declared objective of decisions that have several rows each.
#include <scorefn/segments.hpp>

#include <algorithm>
#include <optional>
#include <vector>

#include "call.hpp"
#include "declared_objective.hpp"
#include "docs/segments.hpp"
#include "function.hpp"
#include "module.hpp"

namespace scorefn::python {

namespace {

inline constexpr Axes log_prob_axes{"(...)", false, false};

py::object segment_derivatives(py::handle name, py::handle log_prob_, py::handle numbers, py::handle options,
                               py::handle offsets_, py::handle mean, py::handle row_clip, py::handle valid_) {
    Objective objective{place_of_objective(name), {}, {}};
    const ObjectiveDeclaration& declared = DeclaredObjectives::declarations[objective.place];
    const py::array log_prob_array = as_array(log_prob_, "log_prob");
    const Shape shape = shape_of(log_prob_array);
    const RealMatrix log_prob(log_prob_array.attr("reshape")(-1, 1), "log_prob", log_prob_axes);
    Indices offsets(offsets_, "segments");
    if (offsets.shape().size() != 1) {
        throw py::value_error("segments must have shape (num_segments + 1,), got " +
                              to_string(offsets.shape()));
    }
    const Shape segments{std::max<py::ssize_t>(offsets.shape()[0] - 1, 0)};
    Valid valid(valid_, shape);

    const auto arrays = py::cast<py::tuple>(numbers);
    const auto values = py::cast<py::tuple>(options);
    std::vector<Weights> reads;
    std::vector<Output> writes;
    for (std::size_t i = 0; i < kMostTerms; ++i) {
        if (declared.reads[i].name) {
            reads.emplace_back(arrays[i], declared.reads[i].is_log_prob ? shape : segments,
                               declared.reads[i].name);
            objective.reads[i] = reads.back().vector();
        }
        if (declared.options[i].name) {
            objective.options[i] = to_low_high(values[i], declared.options[i].name);
        }
        if (declared.writes[i].name) {
            writes.emplace_back(py::handle(), segments, log_prob.result_type(), Form::vector);
        }
    }
    const Output derivative({}, shape, log_prob.result_type(), Form::vector);
    const Output of_segments({}, segments, log_prob.result_type(), Form::vector);
    Segments how;
    how.offsets = offsets.vector();
    how.log_prob = to_bool(mean, "mean") ? SegmentLogProb::mean : SegmentLogProb::sum;
    how.row_clip = to_low_high(row_clip, "row_clip");
    how.valid = valid.vector();
    double sums[kMostTerms];
    compute(log_prob.dtype(), {segments, segments}, [&](auto zero) {
        using T = decltype(zero);
        const Matrix<const T> rows = log_prob.matrix<T>();
        ObjectiveResults<T> results;
        results.log_prob = of_segments.vector<T>();
        for (std::size_t i = 0; i < writes.size(); ++i) {
            results.writes[i] = writes[i].vector<T>();
        }
        derivatives(objective, Vector<const T>(rows.data, rows.rows, rows.row_stride), derivative.vector<T>(),
                    results, how);
        std::copy_n(results.sums, kMostTerms, sums);
    });
    py::list of_writes, of_sums;
    for (const Output& out : writes) {
        of_writes.append(out.result());
    }
    for (std::size_t i = 0; i < kMostTerms && (i == 0 || declared.means[i - 1].name); ++i) {
        of_sums.append(sums[i]);
    }
    return py::make_tuple(derivative.result(), of_segments.result(), py::tuple(of_writes),
                          py::tuple(of_sums));
}

}  // namespace

void bind_segments(py::module_& module) { def<&segment_derivatives>(module, docs::segment_derivatives); }

}  // namespace scorefn::python
