"""What tests of prepared data share: settings of a data file, and what was made of it."""

from glmcore.tuning.job_config import DataConfig

LIMITS = (200, 60)


def data_of(path, **values):
    usual = {"validation_share": 0.0, "max_input_length": LIMITS[0], "max_output_length": LIMITS[1]}
    return DataConfig(train_file=path, **usual | values)


def folders(prepare):
    return sorted(path.name for path in prepare.folder.iterdir())


def rows_of(dataset):
    return [dict(row) for row in dataset]


def numbers(dataset):
    return [row["number"] for row in dataset]
